package assay.model;

/** What a weight tensor is for. Matrices are [out, in]; vectors have one row. */
public enum WeightRole {
  EMBEDDING(Component.EMBEDDING, true),
  POSITION_EMBEDDING(Component.EMBEDDING, true),
  ATTENTION_NORM(Component.NORM, false),
  ATTENTION_NORM_BIAS(Component.NORM, false),
  Q(Component.ATTENTION, true),
  K(Component.ATTENTION, true),
  V(Component.ATTENTION, true),
  Q_BIAS(Component.ATTENTION, false),
  K_BIAS(Component.ATTENTION, false),
  V_BIAS(Component.ATTENTION, false),
  Q_NORM(Component.NORM, false),
  K_NORM(Component.NORM, false),
  O(Component.ATTENTION, true),
  O_BIAS(Component.ATTENTION, false),
  MLP_NORM(Component.NORM, false),
  MLP_NORM_BIAS(Component.NORM, false),
  ROUTER(Component.MLP, true),
  GATE(Component.MLP, true),
  UP(Component.MLP, true),
  DOWN(Component.MLP, true),
  GATE_BIAS(Component.MLP, false),
  UP_BIAS(Component.MLP, false),
  DOWN_BIAS(Component.MLP, false),
  FINAL_NORM(Component.NORM, false),
  FINAL_NORM_BIAS(Component.NORM, false),
  HEAD(Component.HEAD, true);

  /** Parts of a model that counts are broken down by. */
  public enum Component {
    EMBEDDING,
    ATTENTION,
    MLP,
    NORM,
    HEAD
  }

  private final Component component;
  private final boolean matrix;

  WeightRole(Component component, boolean matrix) {
    this.component = component;
    this.matrix = matrix;
  }

  /** The part of the model that it belongs to. */
  public Component component() {
    return component;
  }

  /** True for what is stored in the precision's weight type; vectors stay in fp32. */
  public boolean isMatrix() {
    return matrix;
  }
}
