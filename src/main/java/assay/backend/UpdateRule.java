package assay.backend;

/** The constants of one optimiser step. */
public sealed interface UpdateRule permits AdamW, Sgd {
  /** The same for vectors, which do not decay. */
  UpdateRule withoutDecay();
}
