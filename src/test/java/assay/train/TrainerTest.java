package assay.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.cpu.training.CpuTrainingOps;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainerTest {
  private static final TrainerSettings SETTINGS = TrainerSettings.of(150, 1e-2, 9);

  private final ModelConfig config = Models.config(2, 23, true);

  /** A text in which each token decides the next: 0, 7, 14, 21, 5, …, all 23 of them. */
  private static TokenWindows examples(long seed) {
    int[] tokens = new int[500];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = 7 * i % 23;
    }
    return new TokenWindows(tokens, new int[0], 11, seed);
  }

  private TrainingStep<Tensor> step() {
    return TrainingStep.open(new CpuTrainingOps(1), config, TrainingOptions.of(4, 11));
  }

  @Test
  void learnsWhatCanBeLearned() {
    try (TrainingStep<Tensor> step = step()) {
      Trainer trainer = new Trainer(step, examples(1), SETTINGS);
      List<Double> losses = new ArrayList<>();
      trainer.run(150, p -> losses.add(p.loss()));
      assertTrue(trainer.isFinished());
      // At first all 23 tokens are about equally probable.
      assertEquals(Math.log(23), losses.getFirst(), 0.05);
      double end = trainer.validate(examples(2), 2);
      assertTrue(end < 0.3, "loss " + end);
    }
  }

  @Test
  void goesOnAfterAnInterruptionAsIfThereHadBeenNone(@TempDir Path folder) {
    Path file = folder.resolve("state.safetensors");
    try (TrainingStep<Tensor> whole = step();
        TrainingStep<Tensor> first = step();
        TrainingStep<Tensor> second = step()) {
      new Trainer(whole, examples(1), SETTINGS).run(9, p -> {});
      Trainer begun = new Trainer(first, examples(1), SETTINGS);
      begun.run(4, p -> {});
      TrainingCheckpoint.write(file, first, begun.done());
      Trainer resumed = new Trainer(second, examples(1), SETTINGS);
      resumed.resume(TrainingCheckpoint.read(file, second));
      resumed.run(5, p -> {});
      for (TensorSpec s : whole.specs()) {
        for (TrainingStep.Part part : whole.parts(s)) {
          // The Vector API leaves the order of a float reduction open: interpreted and compiled
          // code
          // may differ in the last place. A lost moment would show as a learning rate, 1e-2.
          assertArrayEquals(whole.read(s, part), second.read(s, part), 1e-5f, s + " " + part);
        }
      }
    }
  }

  @Test
  void aCheckpointOfAnotherModelIsRefused(@TempDir Path folder) throws Exception {
    Path file = folder.resolve("state.safetensors");
    ModelConfig other = Models.config(1, 29, true);
    try (TrainingStep<Tensor> step = step();
        TrainingStep<Tensor> another =
            TrainingStep.open(new CpuTrainingOps(1), other, TrainingOptions.of(1, 5))) {
      TrainingCheckpoint.write(file, another, 3);
      UserError e = assertThrows(UserError.class, () -> TrainingCheckpoint.read(file, step));
      assertTrue(e.getMessage().contains("expected a checkpoint of the same model"));
      Files.write(file, new byte[] {1, 2, 3});
      assertThrows(UserError.class, () -> TrainingCheckpoint.read(file, step));
    }
  }

  @Test
  void theRateRisesAndFalls() {
    TrainerSettings s = new TrainerSettings(100, 1.0, 10, 0.1, 0, 1, 0);
    assertEquals(0.1, s.learningRate(1), 1e-12);
    assertEquals(1.0, s.learningRate(10), 1e-12);
    assertEquals(0.55, s.learningRate(55), 1e-12);
    assertEquals(0.1, s.learningRate(100), 1e-12);
  }

  @Test
  void anotherArchitectureIsRefused() {
    ModelConfig gpt2 = assay.model.Presets.byName().get("gpt2");
    UserError e =
        assertThrows(UserError.class, () -> TrainingStep.planFlops(gpt2, TrainingOptions.of(1, 8)));
    assertEquals("gpt2 has LayerNorm: training knows the llama architecture only", e.getMessage());
  }

  @Test
  void windowsBeginWhereTextsDoMostly() {
    int[] tokens = new int[1000];
    for (int i = 0; i < tokens.length; i++) {
      tokens[i] = i;
    }
    int[] starts = {0, 100, 350, 700};
    TokenWindows windows = new TokenWindows(tokens, starts, 20, 4);
    int atStarts = 0;
    for (int step = 0; step < 100; step++) {
      TokenWindows.Batch b = windows.batch(step, 4);
      for (int w = 0; w < 4; w++) {
        int first = b.ids()[w * 20];
        atStarts += java.util.Arrays.binarySearch(starts, first) >= 0 ? 1 : 0;
        assertEquals(first + 20, b.targets()[w * 20 + 19]);
      }
    }
    // Three of four, of 400: within five standard deviations (8.7).
    assertEquals(300, atStarts, 44);
  }
}
