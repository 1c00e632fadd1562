package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.Lab;
import assay.backend.StepState;
import assay.backend.cuda.AttentionOps.Path;
import assay.backend.reference.ReferenceBackend;
import assay.model.DType;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * {@code kernels/attention_mma.cuh} on the CPU, with a warp's collectives played by the shim,
 * against the reference: awkward numbers of tokens, heads and elements, all orders of threads and
 * both extremes of when an asynchronous copy arrives; slots that nobody wrote are NaN.
 */
class HostAttentionMmaTest {
  private static final double F32 = 0x1p-24;

  record Case(
      DType type,
      int batch,
      int tokens,
      int slot,
      int heads,
      int kvHeads,
      int headDim,
      boolean causal,
      int window,
      int schedule) {
    int slots() {
      return slot + tokens + 3;
    }

    AttentionSpec spec() {
      float scale = (float) (1 / Math.sqrt(headDim));
      return new AttentionSpec(
          batch, tokens, heads, kvHeads, headDim, scale, causal, window, false, slots());
    }

    /** Relative error of one rounding to the type. */
    double rounding() {
      return type == DType.F16 ? 0x1p-11 : 0x1p-8;
    }
  }

  static List<Case> cases() {
    List<Case> out = new ArrayList<>();
    int schedule = 0;
    for (DType type : new DType[] {DType.F16, DType.BF16}) {
      // Every variant, whole and with elements missing; 1, 3, 4 and 7 heads a group.
      out.add(new Case(type, 1, 207, 0, 2, 2, 64, true, 0, schedule++));
      out.add(new Case(type, 1, 45, 13, 7, 1, 80, true, 0, schedule++));
      out.add(new Case(type, 1, 130, 0, 2, 1, 96, true, 0, schedule++));
      out.add(new Case(type, 1, 67, 0, 4, 2, 128, true, 0, schedule++));
      out.add(new Case(type, 2, 13, 1, 6, 2, 40, true, 0, schedule++));
      out.add(new Case(type, 1, 2, 207, 3, 1, 8, true, 0, schedule++));
      out.add(new Case(type, 1, 40, 31, 4, 2, 72, true, 0, schedule++));
      out.add(new Case(type, 1, 50, 7, 4, 1, 120, true, 0, schedule++));
      // Windows shorter than a tile, as long as one, longer; not causal; padding in front.
      out.add(new Case(type, 1, 150, 0, 1, 1, 64, true, 13, schedule++));
      out.add(new Case(type, 1, 150, 20, 1, 1, 64, true, 64, schedule++));
      out.add(new Case(type, 1, 100, 90, 2, 1, 128, true, 100, schedule++));
      out.add(new Case(type, 3, 70, 0, 2, 2, 32, false, 0, schedule++));
      out.add(new Case(type, 2, 70, 0, 2, 1, 16, false, 31, schedule++));
      schedule++;
    }
    return out;
  }

  /**
   * Attention over random q, K and V, or over V's magnitudes; q and out are columns of wider rows.
   */
  private static Tensor attend(Lab on, Case c, boolean magnitudes) {
    int max = c.slots();
    int rows = c.batch * c.kvHeads * max;
    float[] keys = Lab.random(1, rows * c.headDim);
    float[] values = Lab.random(2, rows * c.headDim);
    for (int r = 0; r < rows; r++) {
      for (int d = 0; d < c.headDim; d++) {
        int i = r * c.headDim + d;
        values[i] = magnitudes ? Math.abs(values[i]) : values[i];
        if (r % max >= c.slot + c.tokens || r % max < keyStart(c, r / max / c.kvHeads)) {
          keys[i] = values[i] = Float.NaN;
        }
      }
    }
    Tensor k = on.floats(c.type, rows, c.headDim, keys);
    Tensor v = on.floats(c.type, rows, c.headDim, values);
    int n = c.batch * c.tokens;
    int width = c.heads * c.headDim;
    Tensor q = on.floats(c.type, n, width + 16, Lab.random(3, n * (width + 16)));
    Tensor out = on.poisoned(c.type, n, width + 8);
    int[] starts = new int[c.batch];
    for (int b = 0; b < c.batch; b++) {
      starts[b] = keyStart(c, b);
    }
    StepState state = on.state(c.slot, 0, starts);
    on.backend().attention(c.spec(), q.columns(8, width), k, v, state, null, out.columns(8, width));
    for (float border : on.read(out.columns(0, 8))) {
      assertTrue(Float.isNaN(border), "wrote beside its columns: " + border);
    }
    return out.columns(8, width);
  }

  /** Sequence b begins 5·b slots late, so that its first queries see nothing. */
  private static int keyStart(Case c, int b) {
    return Math.min(5 * b, c.slot + c.tokens - 1);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void attends(Case c) {
    HostKernels kernels = new HostKernels(c.schedule);
    long conflicts = kernels.bankConflicts();
    try (Backend host = new HostKernelBackend(kernels, true);
        Lab lab = new Lab(host);
        Lab judge = new Lab(new ReferenceBackend())) {
      float[] expected = judge.read(attend(judge, c, false));
      float[] magnitude = judge.read(attend(judge, c, true));
      float[] actual = lab.read(attend(lab, c, false));
      for (int i = 0; i < expected.length; i++) {
        // Each weight is rounded to the type, so is the result, and so is the reference's. Scores
        // are sums of headDim products
        // of size up to 16 / sqrt(headDim) in any order; a maximum, a difference and exp2 follow.
        double weights = c.rounding() + (2 * Math.sqrt(c.headDim) * 16 + c.slots() + 16) * F32;
        double bound = 1.01 * (weights * magnitude[i] + 2 * c.rounding() * Math.abs(expected[i]));
        if (!(Math.abs((double) actual[i] - expected[i]) <= bound + 0x1p-25)) {
          throw new AssertionError(
              "%s: element %d is %s, expected %s within %.3g"
                  .formatted(c, i, actual[i], expected[i], bound));
        }
      }
    }
    assertEquals(conflicts, kernels.bankConflicts(), "rows of a matrix that share banks");
  }

  /** A query before its sequence's first token: zeros, with not a byte of K or V read. */
  @Test
  void aRowThatSeesNothingIsZero() {
    Case c = new Case(DType.BF16, 2, 4, 0, 2, 1, 64, true, 0, 1);
    try (Backend host = new HostKernelBackend(new HostKernels(1), true);
        Lab lab = new Lab(host)) {
      float[] out = lab.read(attend(lab, c, false));
      int second = 4 * 128;
      for (int i = 0; i < 3 * 128; i++) {
        assertTrue(out[i] != 0, "element " + i);
        assertEquals(0f, out[second + i], "element " + i + " of the second sequence");
      }
    }
  }

  @Test
  void thePathIsTheDocumentedOne() {
    AttentionOps ops = new AttentionOps(table(), 4, true);
    AttentionOps old = new AttentionOps(table(), 4, false);
    try (Backend host = new HostKernelBackend(new HostKernels(0), true);
        Lab lab = new Lab(host)) {
      for (DType type : new DType[] {DType.F16, DType.BF16, DType.F32}) {
        for (int headDim : new int[] {8, 64, 80, 96, 128, 136, 256, 20}) {
          Tensor q = lab.poisoned(type, 5, headDim);
          Tensor k = lab.poisoned(type, 8, headDim);
          AttentionSpec s = new AttentionSpec(1, 5, 1, 1, headDim, 1, true, 0, false, 8);
          boolean can = type != DType.F32 && headDim <= 128 && headDim % 8 == 0;
          Path expected = can ? Path.TENSOR_CORES : Path.CUDA_CORES;
          assertEquals(expected, ops.path(s, q, k, k, null, q), type + " " + headDim);
          assertEquals(Path.CUDA_CORES, old.path(s, q, k, k, null, q));
          assertEquals(Path.CUDA_CORES, ops.path(s, q, k, k, k, q), "an arbitrary mask");
          AttentionSpec alibi = new AttentionSpec(1, 5, 1, 1, headDim, 1, true, 0, true, 8);
          assertEquals(Path.CUDA_CORES, ops.path(alibi, q, k, k, null, q), "ALiBi");
          AttentionSpec one = new AttentionSpec(1, 1, 1, 1, headDim, 1, true, 0, false, 8);
          Path decode = headDim % 8 == 0 ? Path.SPLIT_KEYS : Path.CUDA_CORES;
          assertEquals(decode, ops.path(one, q.rows(0, 1), k, k, null, q.rows(0, 1)));
        }
      }
      Tensor wide = lab.poisoned(DType.F16, 5, 67);
      Tensor k = lab.poisoned(DType.F16, 8, 64);
      AttentionSpec s = new AttentionSpec(1, 5, 1, 1, 64, 1, true, 0, false, 8);
      Tensor odd = wide.columns(1, 64);
      assertEquals(Path.CUDA_CORES, ops.path(s, odd, k, k, null, k.rows(0, 5)), "rows of q");
    }
  }

  private static KernelTable table() {
    return new KernelTable(new HostKernels(0), HostKernelBackend::address);
  }
}
