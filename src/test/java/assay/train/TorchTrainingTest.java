package assay.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.UpdateRule;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.cpu.training.WideningTrainingOps;
import assay.backend.reference.ReferenceTrainingOps;
import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsModel;
import assay.engine.Golden;
import assay.model.DType;
import assay.model.TensorSpec;
import assay.model.WeightRole;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Eight steps from a checkpoint against those of PyTorch in fp64 (scripts/golden): every optimiser,
 * and adapters against peft.
 */
class TorchTrainingTest {
  private static final Path FOLDER = Path.of("src/test/resources/golden/llama");

  /**
   * The optimisers' constants are floats (0.9f is off by 2.4e-8), and what a step is wrong by the
   * next ones feel through gradients that change fast: seen are 4e-5 after six steps. A wrong
   * formula is wrong in the first digits of the second step.
   */
  private static final double RELATIVE = 1e-4;

  /**
   * Both round to bf16 (2⁻⁹ relative), but not after the same operations; PyTorch's own bf16
   * differs from its fp64 by 0.3 % in the second and 0.5 % in the third loss, and by 7 % in the
   * fifth, where the comparison has ended.
   */
  private static final double RELATIVE_BF16 = 0.02;

  private static final int STEPS_BF16 = 3;

  @ParameterizedTest
  @ValueSource(strings = {"adamw", "adam", "sgd", "sgd-momentum", "lora"})
  void referenceFollowsTorch(String name) throws IOException {
    follow(new ReferenceTrainingOps(), name, StepTypes.F32, 8, RELATIVE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"adamw", "adam", "sgd", "sgd-momentum", "lora"})
  void cpuFollowsTorch(String name) throws IOException {
    follow(new CpuTrainingOps(2), name, StepTypes.F32, 8, RELATIVE);
  }

  @Test
  void mixedPrecisionFollowsTorch() throws IOException {
    StepTypes bf16 = StepTypes.of(DType.BF16);
    follow(new WideningTrainingOps(2), "bf16", bf16, STEPS_BF16, RELATIVE_BF16);
    follow(new ReferenceTrainingOps(), "bf16", bf16, STEPS_BF16, RELATIVE_BF16);
    StepTypes wide = bf16.withGradients(DType.F32);
    follow(new WideningTrainingOps(2), "bf16", wide, STEPS_BF16, RELATIVE_BF16);
  }

  private static UpdateRule rule(String name, int step) {
    return switch (name) {
      case "sgd" -> new Sgd(0.1f, 0, 0.1f);
      case "sgd-momentum" -> new Sgd(0.1f, 0.9f, 0.1f);
      case "adam" -> new AdamW(3e-3f, 0.9f, 0.95f, 1e-4f, 0, step);
      default -> new AdamW(3e-3f, 0.9f, 0.95f, 1e-4f, 0.1f, step);
    };
  }

  private static TrainingOptions options(String name, StepTypes types, int batch, int tokens) {
    TrainingOptions o = TrainingOptions.of(batch, tokens).with(types);
    return switch (name) {
      case "sgd" -> o.with(Optimizer.SGD);
      case "sgd-momentum" -> o.with(Optimizer.SGD_MOMENTUM);
      case "lora" ->
          o.with(new Adapters(2, 6, Set.of(WeightRole.Q, WeightRole.V, WeightRole.DOWN)));
      default -> o;
    };
  }

  private static <T> void follow(
      TrainingOps<T> ops, String name, StepTypes types, int steps, double tolerance)
      throws IOException {
    String file = name.equals("adamw") ? "training.csv" : "training-" + name + ".csv";
    List<String> lines = Files.readAllLines(FOLDER.resolve(file));
    assertEquals(9, lines.size());
    try (SafetensorsModel model = SafetensorsModel.open(FOLDER);
        SafetensorsFile expected = SafetensorsFile.open(FOLDER.resolve("expected.safetensors"))) {
      int[][] rows = Golden.ids(expected, "input_ids");
      int tokens = rows[0].length - 1;
      int[] ids = joined(rows, 0, tokens);
      int[] targets = joined(rows, 1, tokens);
      TrainingOptions o = options(name, types, rows.length, tokens);
      try (TrainingStep<T> step = TrainingStep.open(ops, model.config(), o)) {
        load(model, step);
        for (String line : lines.subList(1, 1 + steps)) {
          String[] cells = line.split(",", -1);
          int n = Integer.parseInt(cells[0]);
          double loss = step.gradients(ids, targets);
          double norm = step.update(rule(name, n), 1);
          close(Double.parseDouble(cells[1]), loss, tolerance, name + ": loss of step " + n);
          close(Double.parseDouble(cells[2]), norm, tolerance, name + ": norm of step " + n);
        }
      }
    }
  }

  private static void close(double expected, double actual, double tolerance, String what) {
    assertEquals(expected, actual, tolerance * expected, what);
  }

  private static int[] joined(int[][] rows, int from, int tokens) {
    return Arrays.stream(rows).flatMapToInt(r -> Arrays.stream(r, from, from + tokens)).toArray();
  }

  private static void load(SafetensorsModel model, TrainingStep<?> step) {
    try (Arena arena = Arena.ofConfined()) {
      for (TensorSpec s : step.specs()) {
        MemorySegment bytes = arena.allocate(4 * s.elements(), 4);
        model.read(s, 0, Math.toIntExact(s.rows()), DType.F32, bytes);
        step.write(s, TrainingStep.Part.WEIGHT, bytes.toArray(ValueLayout.JAVA_FLOAT));
      }
    }
    List<TensorSpec> adapters = step.adapterSpecs();
    for (int i = 0; i < adapters.size(); i++) {
      // A begins as 0.1 sin(k + 1), B as 0.1 sin(k + 2), k counting elements.
      float[] values = new float[Math.toIntExact(adapters.get(i).elements())];
      for (int k = 0; k < values.length; k++) {
        values[k] = (float) (0.1 * Math.sin(k + 1 + i % 2));
      }
      step.write(adapters.get(i), TrainingStep.Part.WEIGHT, values);
    }
  }
}
