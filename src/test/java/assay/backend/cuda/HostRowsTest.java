package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.Lab;
import assay.backend.StepState;
import assay.backend.reference.ReferenceBackend;
import assay.model.DType;
import assay.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Kernels that no operation of the common test reaches: rope_store and log_probs. */
class HostRowsTest {
  private static final double F32 = 0x1p-24;

  private static double rounding(DType type) {
    return type == DType.BF16 ? 0x1p-8 : type == DType.F16 ? 0x1p-11 : F32;
  }

  /** q after the operation, and both caches. */
  @SuppressWarnings("ArrayRecordComponent") // compared field by field
  private record Stored(float[] q, float[] keys, float[] values) {}

  private static Stored ropeStore(Lab on, Backend backend, DType type, DType cache, int headDim) {
    int batch = 2;
    int tokens = 13;
    AttentionSpec s = new AttentionSpec(batch, tokens, 6, 2, headDim, 1, true, 0, false, 31);
    int width = 10 * headDim;
    Tensor qkv = on.floats(type, batch * tokens, width, Lab.random(headDim, 26 * width));
    Tensor q = qkv.columns(0, 6 * headDim);
    Tensor k = qkv.columns(6 * headDim, 2 * headDim);
    Tensor v = qkv.columns(8 * headDim, 2 * headDim);
    Tensor table = on.floats(DType.F32, 40, headDim, Lab.random(7, 40 * headDim));
    Tensor keys = on.poisoned(cache, batch * 2 * 31, headDim);
    Tensor values = on.poisoned(cache, batch * 2 * 31, headDim);
    StepState state = on.state(5, 0, 0, 3);
    float[] before = on.read(k);
    if (backend instanceof HostKernelBackend host) {
      host.rows().ropeStoreKv(s, q, k, v, table, state, keys, values);
      assertArrayEquals(before, on.read(k), "k itself stays");
    } else {
      backend.rope(q, headDim, table, state);
      // The fused kernel rounds k once, on its way into the cache: here in fp32 up to there.
      Tensor wide = on.floats(DType.F32, batch * tokens, 2 * headDim, before);
      backend.rope(wide, headDim, table, state);
      backend.storeKv(
          s, wide, on.floats(DType.F32, 26, 2 * headDim, on.read(v)), state, keys, values);
    }
    return new Stored(on.read(q), on.read(keys), on.read(values));
  }

  /** As the kernels' build for the host numbers the types of activations. */
  private static int number(DType type) {
    return switch (type) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 2;
      default -> throw new IllegalArgumentException(type.toString());
    };
  }

  /** Whole vectors (64), halves that are none (24, 26). */
  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F16", "BF16"})
  void ropeStore(DType type) {
    ReferenceBackend reference = new ReferenceBackend();
    try (HostKernelBackend host = new HostKernelBackend(new HostKernels(number(type)), true);
        Lab lab = new Lab(host);
        Lab judge = new Lab(reference)) {
      for (DType cache : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        for (int headDim : new int[] {2, 26, 24, 64}) {
          Stored expected = ropeStore(judge, reference, type, cache, headDim);
          Stored actual = ropeStore(lab, host, type, cache, headDim);
          String what = type + " into " + cache + ", " + headDim;
          compare(what + " q", expected.q, actual.q, 2 * rounding(type));
          compare(what + " keys", expected.keys, actual.keys, 2 * rounding(cache));
          compare(what + " values", expected.values, actual.values, 0);
        }
      }
    }
  }

  /** A rotated element is a sum of two products of up to 16: 4 roundings of each in fp32. */
  private static void compare(String what, float[] expected, float[] actual, double relative) {
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      double bound = relative * Math.abs(expected[i]) + (relative == 0 ? 0 : 64 * F32);
      boolean same =
          Float.isNaN(expected[i])
              ? Float.isNaN(actual[i])
              : Math.abs((double) actual[i] - expected[i]) <= bound;
      assertTrue(same, what + ": element " + i + " is " + actual[i] + ", expected " + expected[i]);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 13, 207, 4098})
  void logProbs(int vocabulary) {
    try (HostKernelBackend host = new HostKernelBackend(new HostKernels(5), true);
        Lab lab = new Lab(host)) {
      float[] values = Lab.random(vocabulary, 4 * (vocabulary + 3));
      for (int i = 0; i < values.length; i++) {
        values[i] *= 20;
      }
      Tensor logits = lab.floats(DType.F32, 4, vocabulary + 3, values).columns(3, vocabulary);
      int[] ids = {0, vocabulary - 1, -1, vocabulary};
      Tensor out = lab.poisoned(DType.F32, 1, 4);
      host.tokens().logProbs(logits, lab.ints(ids), out);
      float[] actual = lab.read(out);
      for (int r = 0; r < 2; r++) {
        double largest = Double.NEGATIVE_INFINITY;
        double sum = 0;
        for (int i = 0; i < vocabulary; i++) {
          largest = Math.max(largest, values[r * (vocabulary + 3) + 3 + i]);
        }
        for (int i = 0; i < vocabulary; i++) {
          sum += Math.exp(values[r * (vocabulary + 3) + 3 + i] - largest);
        }
        double logit = values[r * (vocabulary + 3) + 3 + ids[r]];
        double expected = logit - largest - Math.log(sum);
        // Differences of logits up to 200, a sum of so many terms, expf and logf to 2 ulp.
        double bound = (vocabulary + 8) * F32 + 4 * F32 * (200 + Math.abs(expected));
        assertEquals(expected, actual[r], bound);
      }
      assertTrue(Float.isNaN(actual[2]) && Float.isNaN(actual[3]), "ids out of range");
    }
  }

  @Test
  void logProbsOfNaNIsNaN() {
    try (HostKernelBackend host = new HostKernelBackend(new HostKernels(0), true);
        Lab lab = new Lab(host)) {
      Tensor logits = lab.floats(DType.F32, 1, 3, new float[] {1, Float.NaN, 2});
      Tensor out = lab.floats(DType.F32, 1, 1, new float[1]);
      host.tokens().logProbs(logits, lab.ints(0), out);
      assertTrue(Float.isNaN(lab.read(out)[0]));
    }
  }
}
