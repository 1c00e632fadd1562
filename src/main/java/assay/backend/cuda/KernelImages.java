package assay.backend.cuda;

/** The PTX of kernels' modules. */
interface KernelImages {
  /**
   * The best text for a card.
   *
   * @param module a file of {@code kernels/} without its ending
   * @param sm compute capability, 90 for 9.0
   */
  byte[] ptx(String module, int sm);

  /** The target of that text, such as sm_80; empty where none runs on the card. */
  String target(String module, int sm);
}
