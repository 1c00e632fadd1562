package assay.measure;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.InputRounding;
import assay.backend.StepState;
import assay.backend.reference.ReferenceBackend;
import assay.engine.SessionOptions;
import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.results.Check;
import assay.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class LogitsCheckTest {
  private static final SessionOptions OPTIONS = SessionOptions.of(Precision.BF16, 2, 16);

  private static Check check(Backend device, ModelConfig c, SessionOptions o) {
    try (Backend reference = new ReferenceBackend()) {
      return new LogitsCheck(device, reference).run(SmallModels.weights(c), o, StopSignal.NEVER);
    }
  }

  /** A device of fp32 sums in another order, as an honest one is. */
  private static class Honest extends ForwardingBackend {
    Honest() {
      super(new ReferenceBackend());
    }

    @Override
    public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
      float[] a = input(TensorValues.read(inner(), x), x.columns());
      float[] w = TensorValues.read(inner(), weight);
      float[] y =
          accumulate ? TensorValues.read(inner(), out) : new float[out.rows() * out.columns()];
      int k = x.columns();
      for (int r = 0; r < x.rows(); r++) {
        for (int o = 0; o < weight.rows(); o++) {
          float sum = 0;
          for (int i = k - 1; i >= 0; i--) {
            sum += a[r * k + i] * w[o * k + i];
          }
          y[r * out.columns() + o] += sum;
        }
      }
      TensorValues.write(inner(), out, y);
    }

    float[] input(float[] x, int width) {
      return x;
    }
  }

  /** Quantises the activations as int8 back ends do, and says so. */
  private static class HonestInt8 extends Honest {
    @Override
    public InputRounding inputRounding(
        Precision precision, ModelConfig config, int rows, Tensor weight) {
      return InputRounding.INT8_BLOCKS;
    }

    @Override
    float[] input(float[] x, int width) {
      float[] out = x.clone();
      for (int from = 0; from < x.length; from += 32) {
        float largest = 0;
        for (int i = from; i < from + 32; i++) {
          largest = Math.max(largest, Math.abs(x[i]));
        }
        float step = largest / 127;
        for (int i = from; i < from + 32; i++) {
          out[i] = step == 0 ? 0 : Math.round(x[i] / step) * step;
        }
      }
      return out;
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"FP32", "FP16", "BF16", "INT8", "INT4"})
  void anHonestDevicePasses(Precision p) {
    for (ModelConfig c : SmallModels.all()) {
      for (int batch = 1; batch <= 2; batch++) {
        Check check = check(new Honest(), c, SessionOptions.of(p, batch, 16));
        assertTrue(check.passed(), c + " " + check);
        assertTrue(check.error() > 0, "the sums do differ");
        assertTrue(check.tolerance() < 0.02, "tight enough to mean something: " + check);
      }
    }
  }

  @Test
  void theFp32ToleranceIsThatOfFp32() {
    Check check =
        check(new Honest(), SmallModels.llama(), SessionOptions.of(Precision.FP32, 1, 16));
    assertTrue(check.tolerance() < 3e-5, check.toString());
  }

  @Test
  void quantisedActivationsPassOnlyWhereTheyAreDeclared() {
    ModelConfig c = SmallModels.llama();
    SessionOptions o = SessionOptions.of(Precision.INT8, 1, 16);
    Check declared = check(new HonestInt8(), c, o);
    assertTrue(declared.passed(), declared.toString());
    assertTrue(declared.tolerance() < 0.2, declared.toString());
    Check hidden =
        check(
            new HonestInt8() {
              @Override
              public InputRounding inputRounding(
                  Precision precision, ModelConfig config, int rows, Tensor weight) {
                return InputRounding.NONE;
              }
            },
            c,
            o);
    assertFalse(hidden.passed(), hidden.toString());
  }

  /** Mistakes that a device could make: each must be seen in every precision. */
  @TestFactory
  Iterable<DynamicTest> mistakesAreFound() {
    Map<String, Function<Backend, Backend>> mistakes = new LinkedHashMap<>();
    mistakes.put("no rotation", NoRotation::new);
    mistakes.put("attention sees one key less", OneKeyLess::new);
    mistakes.put("gate and up swapped", WrongActivation::new);
    mistakes.put("eps forgotten and gain ignored", NoGain::new);
    mistakes.put("one output of a product negated", OneNegated::new);
    mistakes.put("one NaN", OneNan::new);
    mistakes.put("decode reads a stale key", StaleKey::new);
    return mistakes.entrySet().stream()
        .flatMap(
            m ->
                java.util.stream.Stream.of(Precision.FP32, Precision.BF16, Precision.INT4)
                    .map(
                        p ->
                            DynamicTest.dynamicTest(
                                m.getKey() + " at " + p.label(),
                                () -> {
                                  Backend wrong = m.getValue().apply(new ReferenceBackend());
                                  Check check =
                                      check(
                                          wrong, SmallModels.llama(), SessionOptions.of(p, 1, 16));
                                  assertFalse(check.passed(), check.toString());
                                  assertFalse(LogitsCheck.describe(check).isBlank());
                                })))
        .toList();
  }

  private static final class NoRotation extends ForwardingBackend {
    NoRotation(Backend inner) {
      super(inner);
    }

    @Override
    public void rope(Tensor x, int headDim, Tensor table, StepState state) {}
  }

  private static final class OneKeyLess extends ForwardingBackend {
    OneKeyLess(Backend inner) {
      super(inner);
    }

    @Override
    public void attention(
        AttentionSpec s,
        Tensor q,
        Tensor kCache,
        Tensor vCache,
        StepState state,
        @Nullable Tensor mask,
        Tensor out) {
      AttentionSpec wrong =
          new AttentionSpec(
              s.batch(),
              s.tokensPerSequence(),
              s.nHeads(),
              s.nKvHeads(),
              s.headDim(),
              s.scale(),
              s.causal(),
              8,
              s.alibi(),
              s.maxSeqLen());
      super.attention(wrong, q, kCache, vCache, state, mask, out);
    }
  }

  private static final class WrongActivation extends ForwardingBackend {
    WrongActivation(Backend inner) {
      super(inner);
    }

    @Override
    public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
      super.activation(Activation.GELU_TANH, gated, x, out);
    }
  }

  private static final class NoGain extends ForwardingBackend {
    NoGain(Backend inner) {
      super(inner);
    }

    @Override
    public void norm(
        NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
      super.norm(kind, x, gain, bias, 0.3f, out);
    }
  }

  private static final class OneNegated extends ForwardingBackend {
    OneNegated(Backend inner) {
      super(inner);
    }

    @Override
    public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
      super.matmul(x, weight, out, accumulate);
      float[] y = TensorValues.read(inner(), out);
      y[y.length / 2] = -y[y.length / 2];
      TensorValues.write(inner(), out, y);
    }
  }

  private static final class OneNan extends ForwardingBackend {
    OneNan(Backend inner) {
      super(inner);
    }

    @Override
    public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
      super.matmul(x, weight, out, accumulate);
      if (out.type() == DType.F32 && out.columns() == 97) {
        float[] y = TensorValues.read(inner(), out);
        y[y.length - 1] = Float.NaN;
        TensorValues.write(inner(), out, y);
      }
    }
  }

  private static final class StaleKey extends ForwardingBackend {
    StaleKey(Backend inner) {
      super(inner);
    }

    @Override
    public void storeKv(
        AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
      if (spec.tokensPerSequence() > 1) {
        super.storeKv(spec, k, v, state, kCache, vCache);
      }
    }
  }

  /** A tolerance that lets 10 pass for 5 is none. */
  @Test
  void theVerdictItself() {
    float[] expected = {5, -3, 2, 1};
    float[] disturbed = {5.01f, -3.01f, 2, 1};
    assertTrue(LogitsCheck.compare("x", 4, expected, expected.clone(), disturbed).passed());
    assertFalse(
        LogitsCheck.compare("x", 4, expected, new float[] {10, -3, 2, 1}, disturbed).passed());
    assertFalse(
        LogitsCheck.compare("x", 4, expected, new float[] {-5, -3, 2, 1}, disturbed).passed());
    Check nan = LogitsCheck.compare("x", 4, expected, new float[] {5, -3, Float.NaN, 1}, disturbed);
    assertFalse(nan.passed());
    assertNull(nan.error());
    assertNotNull(nan.worst());
    float[] one = new float[1000];
    float[] noise = new float[1000];
    java.util.Arrays.fill(one, 1f);
    java.util.Arrays.fill(noise, 1.001f);
    float[] spoilt = one.clone();
    spoilt[500] = 1.05f;
    Check single = LogitsCheck.compare("x", 10, one, spoilt, noise);
    assertTrue(single.error() < single.tolerance(), "the mean hides it");
    assertFalse(single.passed(), "the worst element does not");
    assertTrue(single.worst().startsWith("row 50 id 0"), single.worst());
  }

  @Test
  void aLargeModelIsCheckedOnASliceOfTheSameWidths() {
    ModelConfig large =
        SmallModels.llama().toBuilder().size(5, 64, 96).tokens(9000, 64).tied(true).build();
    try (SlicedWeights slice = new SlicedWeights(SmallModels.weights(large), 2, 4096);
        Backend a = new ReferenceBackend();
        Backend b = new Honest()) {
      assertTrue(slice.config().parameters() < large.parameters());
      Check check = new LogitsCheck(b, a).run(slice, OPTIONS, StopSignal.NEVER);
      assertTrue(check.passed(), check.toString());
    }
  }
}
