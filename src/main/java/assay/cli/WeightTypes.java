package assay.cli;

import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How a session stores the weights of a checkpoint: in the precision that the user names, or, when
 * none is named, as the file has them.
 *
 * @param precision mode of the session
 * @param asStored matrices keep the types of the file
 */
record WeightTypes(Precision precision, boolean asStored) {

  static WeightTypes of(WeightSource source, @Nullable String asked) {
    return asked == null
        ? new WeightTypes(nearest(mostStored(source)), source.kind().equals("checkpoint"))
        : new WeightTypes(Precision.of(asked), false);
  }

  SessionOptions apply(SessionOptions options) {
    return options.withStoredTypes(asStored);
  }

  /** The type that most matrix elements are stored in. */
  static DType mostStored(WeightSource source) {
    Map<DType, Long> elements = new EnumMap<>(DType.class);
    for (TensorSpec t : WeightLayout.of(source.config())) {
      if (t.role().isMatrix()) {
        elements.merge(source.storedType(t), t.elements(), Long::sum);
      }
    }
    return elements.entrySet().stream()
        .max(Map.Entry.comparingByValue())
        .map(Map.Entry::getKey)
        .orElse(DType.F32);
  }

  /** The mode whose activations and cache suit weights of that type. */
  private static Precision nearest(DType type) {
    return switch (type) {
      case F16 -> Precision.FP16;
      case BF16 -> Precision.BF16;
      case Q8_0 -> Precision.INT8;
      case Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K -> Precision.INT4;
      default -> Precision.FP32;
    };
  }
}
