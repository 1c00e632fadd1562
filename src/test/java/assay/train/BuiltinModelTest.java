package assay.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.cpu.training.CpuTrainingOps;
import assay.checkpoint.BuiltinModel;
import assay.checkpoint.GgufFile;
import assay.checkpoint.GgufModel;
import assay.model.DType;
import assay.model.TensorSpec;
import assay.tensor.Tensor;
import assay.tokenizer.GgufTokenizer;
import assay.train.stories.StoryGenerator;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** The model that ships: its size, its vocabulary, and that it knows stories it never saw. */
class BuiltinModelTest {
  private static final int TOKENS = 128;

  private static float[] read(GgufModel model, TensorSpec s) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment bytes = arena.allocate(4 * s.elements(), 64);
      model.read(s, 0, Math.toIntExact(s.rows()), DType.F32, bytes);
      return bytes.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  @Test
  void isSmall() throws Exception {
    long bytes = Files.size(BuiltinModel.file());
    assertTrue(bytes <= 4_000_000, bytes + " bytes");
  }

  /** Weights in the wrong order, or another vocabulary, would cost several nats. */
  @Test
  void knowsStoriesThatItWasNotTrainedOn() {
    Path file = BuiltinModel.file();
    StoryGenerator stories = new StoryGenerator(1);
    try (GgufModel model = GgufModel.open(file);
        GgufFile vocabulary = GgufFile.open(file);
        TrainingStep<Tensor> step =
            TrainingStep.open(
                new CpuTrainingOps(1), model.config(), TrainingOptions.of(1, TOKENS))) {
      step.specs().forEach(s -> step.write(s, TrainingStep.Part.WEIGHT, read(model, s)));
      GgufTokenizer tokenizer = GgufTokenizer.of(vocabulary);
      assertEquals(model.config().vocabSize(), tokenizer.vocabulary().total());
      double sum = 0;
      int count = 8;
      for (int i = 0; i < count; i++) {
        String story = stories.story((1L << 41) + i);
        int[] ids = tokenizer.encode(story);
        assertEquals(story, tokenizer.decode(ids));
        int n = Math.min(TOKENS, ids.length - 1);
        int[] inputs = Arrays.copyOf(ids, TOKENS);
        int[] targets = new int[TOKENS];
        Arrays.fill(targets, -1);
        System.arraycopy(ids, 1, targets, 0, n);
        sum += step.loss(inputs, targets);
      }
      double loss = sum / count;
      assertTrue(loss < 1.0, "loss " + loss);
    }
  }
}
