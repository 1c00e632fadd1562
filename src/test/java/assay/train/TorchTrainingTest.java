package assay.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.AdamW;
import assay.backend.TrainingOps;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.reference.ReferenceTrainingOps;
import assay.checkpoint.SafetensorsFile;
import assay.checkpoint.SafetensorsModel;
import assay.engine.Golden;
import assay.model.DType;
import assay.model.TensorSpec;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Eight AdamW steps from a checkpoint against those of PyTorch in fp64 (scripts/golden). */
class TorchTrainingTest {
  private static final Path FOLDER = Path.of("src/test/resources/golden/llama");

  /**
   * AdamW's constants are floats (0.9f is off by 2.4e-8), and what a step is wrong by the next ones
   * feel through gradients that change fast: seen are 4e-5 after six steps. A wrong formula is
   * wrong in the first digits of the second step.
   */
  private static final double RELATIVE = 1e-4;

  @Test
  void referenceFollowsTorch() throws IOException {
    follow(new ReferenceTrainingOps());
  }

  @Test
  void cpuFollowsTorch() throws IOException {
    follow(new CpuTrainingOps(2));
  }

  private static <T> void follow(TrainingOps<T> ops) throws IOException {
    List<String> lines = Files.readAllLines(FOLDER.resolve("training.csv"));
    try (SafetensorsModel model = SafetensorsModel.open(FOLDER);
        SafetensorsFile expected = SafetensorsFile.open(FOLDER.resolve("expected.safetensors"))) {
      int[][] rows = Golden.ids(expected, "input_ids");
      int tokens = rows[0].length - 1;
      int[] ids = joined(rows, 0, tokens);
      int[] targets = joined(rows, 1, tokens);
      try (TrainingStep<T> step =
          TrainingStep.open(ops, model.config(), TrainingOptions.of(rows.length, tokens))) {
        load(model, step);
        for (String line : lines.subList(1, lines.size())) {
          String[] cells = line.split(",", -1);
          int n = Integer.parseInt(cells[0]);
          double loss = step.gradients(ids, targets);
          double norm = step.update(new AdamW(3e-3f, 0.9f, 0.95f, 1e-4f, 0.1f, n), 1);
          close(Double.parseDouble(cells[1]), loss, "loss of step " + n);
          close(Double.parseDouble(cells[2]), norm, "gradient norm of step " + n);
        }
      }
    }
  }

  private static void close(double expected, double actual, String what) {
    assertEquals(expected, actual, RELATIVE * expected, what);
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
  }
}
