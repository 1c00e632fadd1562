package assay.calibrate;

import assay.model.Activation;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import assay.model.Presets;
import assay.results.ModelFacts;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The configuration behind a row's model facts. A row does not say everything; what its family
 * leaves open (tied embeddings, biases) is decided by the parameter count, which must agree
 * exactly.
 */
final class Shapes {
  private Shapes() {}

  /** The configuration, or null where none agrees. */
  static @Nullable ModelConfig of(ModelFacts f) {
    ModelConfig preset = Presets.byName().get(f.name());
    if (preset != null && agrees(preset, f)) {
      return preset;
    }
    if (f.layers() == null
        || f.hiddenSize() == null
        || f.intermediateSize() == null
        || f.heads() == null
        || f.kvHeads() == null
        || f.headDim() == null
        || f.vocabulary() == null) {
      return null;
    }
    for (ModelConfig family : families()) {
      for (int variant = 0; variant < 16; variant++) {
        ModelConfig c =
            family.toBuilder()
                .size(f.layers(), f.hiddenSize(), f.intermediateSize())
                .heads(f.heads(), f.kvHeads(), f.headDim())
                .tokens(f.vocabulary(), family.maxSeqLen())
                .tied((variant & 1) != 0)
                .biases((variant & 2) != 0, family.outputBias(), family.mlpBias())
                .qkNorm((variant & 4) != 0)
                .build();
        if (agrees(c, f)) {
          return c;
        }
      }
    }
    return null;
  }

  private static List<ModelConfig> families() {
    List<ModelConfig> out = new ArrayList<>();
    ModelConfig.Builder llama = ModelConfig.builder("row", "llama").size(1, 2, 2).heads(1, 1, 2);
    out.add(llama.tokens(1, 131_072).build());
    for (int positions : new int[] {1024, 2048}) {
      out.add(
          ModelConfig.builder("row", "gpt2")
              .size(1, 2, 2)
              .heads(1, 1, 2)
              .tokens(1, positions)
              .norm(NormKind.LAYER, 1e-5f)
              .mlp(Activation.GELU_TANH, false)
              .positions(PositionKind.LEARNED)
              .biases(true, true, true)
              .build());
    }
    return out;
  }

  private static boolean agrees(ModelConfig c, ModelFacts f) {
    return f.parameters() != null
        && c.parameters() == f.parameters()
        && (f.layers() == null || c.nLayers() == f.layers())
        && (f.kvHeads() == null || c.nKvHeads() == f.kvHeads());
  }
}
