package assay.train;

import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsWriter;
import assay.model.DType;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.train.TrainingStep.Part;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The state of a training run in a safetensors file: weights, moments, master copies, the step's
 * number.
 */
public final class TrainingCheckpoint {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong LONG =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final String STEP = "step";

  private TrainingCheckpoint() {}

  private static String name(TrainingStep<?> step, TensorSpec s, Part part) {
    String name = step.name(s).replace("block ", "block").replace(' ', '_');
    return "%s.%s".formatted(name, part).toLowerCase(Locale.ROOT);
  }

  /** Everything but gradients, which the next step computes anew. */
  private static Set<Part> parts(TrainingStep<?> step, TensorSpec s) {
    Set<Part> out = EnumSet.copyOf(step.parts(s));
    out.remove(Part.GRADIENT);
    return out;
  }

  private static List<TensorSpec> specs(TrainingStep<?> step) {
    return Stream.concat(step.specs().stream(), step.adapterSpecs().stream()).toList();
  }

  /** Writes the state after {@code done} steps. */
  public static void write(Path path, TrainingStep<?> step, int done) {
    SequencedMap<String, SafetensorsWriter.Announced> tensors = new LinkedHashMap<>();
    tensors.put(STEP, new SafetensorsWriter.Announced(DType.I64, List.of(1L)));
    for (TensorSpec s : specs(step)) {
      for (Part part : parts(step, s)) {
        tensors.put(
            name(step, s, part),
            new SafetensorsWriter.Announced(DType.F32, List.of(s.rows(), s.columns())));
      }
    }
    try (SafetensorsWriter writer = new SafetensorsWriter(path, tensors, Map.of());
        Arena arena = Arena.ofConfined()) {
      writer.write(STEP, 0, arena.allocateFrom(LONG, done));
      for (TensorSpec s : specs(step)) {
        for (Part part : parts(step, s)) {
          writer.write(name(step, s, part), 0, arena.allocateFrom(FLOAT, step.read(s, part)));
        }
      }
      writer.finish();
    }
  }

  /**
   * Restores a state.
   *
   * @return the steps done so far
   * @throws UserError when the file is not that of this model
   */
  public static int read(Path path, TrainingStep<?> step) {
    try (SafetensorsFile file = SafetensorsFile.open(path)) {
      for (TensorSpec s : specs(step)) {
        for (Part part : parts(step, s)) {
          SafetensorsFile.Entry e = entry(file, name(step, s, part), DType.F32, s.elements());
          step.write(s, part, e.data().toArray(FLOAT));
        }
      }
      long done = entry(file, STEP, DType.I64, 1).data().get(LONG, 0);
      if (done < 0 || done > Integer.MAX_VALUE) {
        throw new UserError(path + ": step " + done + ": expected the number of a step");
      }
      return (int) done;
    }
  }

  private static SafetensorsFile.Entry entry(
      SafetensorsFile file, String name, DType type, long elements) {
    SafetensorsFile.Entry e = file.entries().get(name);
    if (e == null || e.type() != type || e.elements() != elements) {
      throw new UserError(
          "%s: no tensor '%s' of %d elements: expected a checkpoint of the same model"
              .formatted(file.path(), name, elements));
    }
    return e;
  }
}
