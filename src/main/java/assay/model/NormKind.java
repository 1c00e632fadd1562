package assay.model;

/** How the residual stream is normalised. */
public enum NormKind {
  /** x / √(mean(x²) + eps) · gain. */
  RMS,
  /** (x − mean) / √(variance + eps) · gain + bias. */
  LAYER
}
