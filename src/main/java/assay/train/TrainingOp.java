package assay.train;

/** Operations of a training step, as counts name them; forward and backward are told by phase. */
public enum TrainingOp {
  EMBED,
  NORM,
  MATMUL,
  ROPE,
  ATTENTION,
  ACTIVATION,
  LOSS,
  GRADIENT_NORM,
  ADAMW,
  SGD,
  /** The factor of an adapter. */
  SCALE
}
