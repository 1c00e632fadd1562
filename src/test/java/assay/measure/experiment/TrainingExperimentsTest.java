package assay.measure.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.Backend;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.cpu.training.WideningTrainingOps;
import assay.backend.reference.ReferenceBackend;
import assay.checkpoint.BuiltinModel;
import assay.checkpoint.GgufFile;
import assay.results.Experiment;
import assay.tokenizer.GgufTokenizer;
import assay.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Experiments on training and tokens: their numbers are what the shape says they must be. */
class TrainingExperimentsTest {
  @Test
  void stepsCarryEveryNumberThatClaimsRestOn() {
    Outcome o = TrainingExperiments.steps(() -> new CpuTrainingOps(2), () -> 1e11, 1);
    Map<String, Experiment.Point> points =
        o.points().stream().collect(Collectors.toMap(Experiment.Point::label, p -> p));
    assertEquals(7, points.size());
    for (Experiment.Point p : o.points()) {
      double n = p.get("parameters");
      assertEquals(4 * n, p.get("weights_bytes"), p.label());
      assertEquals(4 * n, p.get("gradients_bytes"), p.label());
      assertEquals(8 * n, p.get("optimizer_bytes"), p.label());
      assertTrue(p.get("layer_activations_bytes") < p.get("activations_bytes"), p.label());
      assertTrue(p.get("forward_flops") < p.get("model_flops"), p.label());
      assertTrue(p.get("model_flops") < p.get("flops"), p.label());
      assertTrue(p.get("seconds") > 0, p.label());
    }
    Experiment.Point one = points.get("batch_1_tokens_128");
    Experiment.Point four = points.get("batch_4_tokens_128");
    assertEquals(4 * one.get("activations_bytes"), four.get("activations_bytes"));
    // Per token and layer, in fp32: 4h + 2 + 2q + 2kv + heads + 3i, of 256, 256, 256, 8 and 704.
    double tiled = 4 * (4 * 256 + 2 + 4 * 256 + 8 + 3 * 704);
    assertEquals(4 * 128 * tiled, one.get("layer_activations_bytes"));
    double sum =
        o.values().entrySet().stream()
            .filter(e -> e.getKey().endsWith("_bytes_per_token"))
            .mapToDouble(Map.Entry::getValue)
            .sum();
    // Stored scores take the place of the log of their sums.
    assertEquals(tiled + 4 * 8 * 511, sum, "with stored scores, tensor by tensor");
    assertEquals(1e11, o.values().get("peak_flops_per_second"));
  }

  /** The estimator, which knows nothing of the step, to the byte: every kind, every category. */
  @Test
  void everyKindOfStepTakesTheBytesThatTheEstimatorSays() {
    Outcome o = TrainingKinds.steps(() -> new WideningTrainingOps(2), 0, 1);
    assertEquals(16, o.points().size());
    for (Experiment.Point p : o.points()) {
      for (String category : List.of("weights", "gradients", "optimizer", "activations")) {
        assertEquals(
            p.get("estimated_" + category + "_bytes"),
            p.get(category + "_bytes"),
            p.label() + " " + category);
      }
      // Full recomputation spares the product with Wdown, which the estimator counts.
      assertEquals(1, p.get("flops") / p.get("estimated_flops"), 0.05, p.label());
    }
    Map<String, Experiment.Point> points =
        o.points().stream().collect(Collectors.toMap(Experiment.Point::label, p -> p));
    Experiment.Point source = points.get("lora_512_64");
    assertEquals(2304, source.get("trained_parameters"));
    assertEquals(4 * 2304, source.get("gradients_bytes"));
    assertEquals(8 * 2304, source.get("optimizer_bytes"));
    assertEquals(0, points.get("fp32_sgd").get("optimizer_bytes"));
  }

  @Test
  void inferenceAndTrainingOfOneShape() {
    try (Backend backend = new ReferenceBackend()) {
      Outcome o = TrainingExperiments.againstInference(() -> new CpuTrainingOps(1)).apply(backend);
      assertEquals(7, o.points().size());
      for (Experiment.Point p : o.points()) {
        double ratio = p.get("inference_bytes") / p.get("training_bytes");
        assertTrue(ratio > 0.1 && ratio < 10, p.label() + " " + ratio);
      }
      assertEquals(0, backend.liveBytes());
    }
  }

  @Test
  void bytesAndCharactersPerToken() {
    byte[] sample = TokenExperiments.chineseSample();
    try (Backend backend = new ReferenceBackend();
        GgufFile file = GgufFile.open(BuiltinModel.file());
        Tokenizer builtin = GgufTokenizer.of(file)) {
      Map<String, Double> v =
          TokenExperiments.charactersPerToken(builtin, sample, "builtin").apply(backend).values();
      String text = new String(sample, StandardCharsets.UTF_8);
      double tokens = builtin.encode(sample, false, false).length;
      assertEquals(tokens, v.get("tokens"));
      assertEquals(sample.length / tokens, v.get("utf8_bytes_per_token"));
      assertEquals(text.codePointCount(0, text.length()) / tokens, v.get("characters_per_token"));
      assertTrue(v.get("han_share_of_characters") > 0.8, v.toString());
      assertEquals(1e9 * sample.length / tokens, v.get("bytes_per_1e9_tokens"));
    }
  }
}
