package assay.measure.experiment;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.StepState;
import assay.model.DType;
import assay.model.Precision;
import assay.results.Experiment;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** M7 and C8: attention over the length, with stored scores and tiled. */
final class AttentionExperiments {
  private static final int HEADS = 4;
  private static final int HEAD_DIM = 64;
  private static final int[] LENGTHS = {128, 256, 512, 1024, 2048};

  private AttentionExperiments() {}

  /** One attention problem: q over s tokens against a full cache. */
  private static final class Problem {
    private final int tokens;
    private final AttentionSpec spec;
    private final Tensor q;
    private final Tensor keys;
    private final Tensor values;
    private final Tensor out;
    private final StepState state;

    Problem(DeviceScratch s, Backend backend, int tokens) {
      this.tokens = tokens;
      int width = HEADS * HEAD_DIM;
      float scale = (float) (1 / Math.sqrt(HEAD_DIM));
      spec = new AttentionSpec(1, tokens, HEADS, HEADS, HEAD_DIM, scale, true, 0, false, tokens);
      DType type = backend.activationType(Precision.FP32);
      q = s.floats(type, tokens, width, DeviceScratch.normal(1, tokens * width));
      keys = s.floats(DType.F32, HEADS * tokens, HEAD_DIM, DeviceScratch.normal(2, tokens * width));
      values =
          s.floats(DType.F32, HEADS * tokens, HEAD_DIM, DeviceScratch.normal(3, tokens * width));
      out = s.floats(type, tokens, width, new float[tokens * width]);
      state = s.state(0, 0);
    }

    /** q, K, V and the output: what both ways need. */
    long operandBytes() {
      return q.bytes() + keys.bytes() + values.bytes() + out.bytes();
    }

    long scoreBytes() {
      return 4L * tokens * HEADS * tokens;
    }
  }

  private static long capacity(int tokens) {
    return 4L * tokens * HEADS * tokens + 8L * 4 * tokens * HEADS * HEAD_DIM + (1 << 20);
  }

  static Outcome storedAgainstTiled(Backend backend) {
    List<Experiment.Point> points = new ArrayList<>();
    for (int tokens : LENGTHS) {
      try (DeviceScratch s = new DeviceScratch(backend, capacity(tokens))) {
        Problem p = new Problem(s, backend, tokens);
        Tensor scores =
            s.floats(DType.F32, tokens * HEADS, tokens, new float[tokens * HEADS * tokens]);
        double stored =
            Timing.medianSeconds(
                backend,
                () ->
                    backend.storedAttention(
                        p.spec, p.q, p.keys, p.values, p.state, null, scores, p.out));
        double tiled =
            Timing.medianSeconds(
                backend,
                () -> backend.attention(p.spec, p.q, p.keys, p.values, p.state, null, p.out));
        points.add(
            new Experiment.Point(
                tokens + "_tokens",
                Map.of(
                    "tokens",
                    (double) tokens,
                    "stored_bytes",
                    (double) p.operandBytes() + p.scoreBytes(),
                    "tiled_bytes",
                    (double) p.operandBytes(),
                    "stored_seconds",
                    stored,
                    "tiled_seconds",
                    tiled)));
      }
    }
    return new Outcome(
        "4 heads of 64, causal, batch 1, fp32, medians; bytes are q, K, V, output and stored"
            + " scores",
        Map.of(),
        points);
  }

  static Outcome timeOverLength(Backend backend) {
    List<Experiment.Point> points = new ArrayList<>();
    for (int tokens : LENGTHS) {
      try (DeviceScratch s = new DeviceScratch(backend, capacity(tokens))) {
        Problem p = new Problem(s, backend, tokens);
        double seconds =
            Timing.medianSeconds(
                backend,
                () -> backend.attention(p.spec, p.q, p.keys, p.values, p.state, null, p.out));
        // Two products of headDim multiply-adds for every pair that the causal mask lets through.
        double flops = 4.0 * HEADS * HEAD_DIM * (tokens * (tokens + 1.0) / 2);
        points.add(
            new Experiment.Point(
                tokens + "_tokens",
                Map.of("tokens", (double) tokens, "seconds", seconds, "flops", flops)));
      }
    }
    return new Outcome(
        "tiled attention, 4 heads of 64, causal, batch 1, fp32, medians", Map.of(), points);
  }
}
