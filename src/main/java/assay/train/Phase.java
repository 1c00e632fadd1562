package assay.train;

/** Parts of a training step that counts are broken down by. */
public enum Phase {
  FORWARD,
  /** The forward pass of blocks whose activations were not kept. */
  RECOMPUTATION,
  BACKWARD,
  UPDATE
}
