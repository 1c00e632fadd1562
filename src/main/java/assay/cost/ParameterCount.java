package assay.cost;

import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightRole.Component;
import java.util.EnumMap;
import java.util.Map;

/**
 * Parameters of a model.
 *
 * @param byComponent every stored weight once; a tied head is in EMBEDDING
 * @param active parameters that one token passes through: all but the inactive experts
 * @param multiplied parameters of matrices that one token is multiplied with: active ones without
 *     norms, biases and gathered embeddings, but with the head, tied or not
 */
public record ParameterCount(Map<Component, Long> byComponent, long active, long multiplied) {

  /** Counts a model's tensors. */
  public static ParameterCount of(ModelConfig c) {
    Map<Component, Long> components = new EnumMap<>(Component.class);
    long active = 0;
    long multiplied = 0;
    for (TensorSpec t : WeightLayout.of(c)) {
      components.merge(t.role().component(), t.elements(), Math::addExact);
      long used =
          isExpert(t.role()) ? t.elements() / c.nExperts() * c.nActiveExperts() : t.elements();
      active = Math.addExact(active, used);
      if (t.role().isMatrix() && t.role().component() != Component.EMBEDDING) {
        multiplied = Math.addExact(multiplied, used);
      }
    }
    if (c.tiedEmbeddings()) {
      multiplied =
          Math.addExact(multiplied, Math.multiplyExact((long) c.vocabSize(), c.hiddenSize()));
    }
    return new ParameterCount(Map.copyOf(components), active, multiplied);
  }

  private static boolean isExpert(WeightRole role) {
    return switch (role) {
      case GATE, UP, DOWN, GATE_BIAS, UP_BIAS, DOWN_BIAS -> true;
      default -> false;
    };
  }

  /** Every stored weight once. */
  public long total() {
    return byComponent.values().stream().mapToLong(Long::longValue).sum();
  }
}
