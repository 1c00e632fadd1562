package assay.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.SamplingSpec;
import assay.backend.reference.ReferenceBackend;
import assay.engine.AttentionPath;
import assay.engine.MemoryPlan;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.model.Presets;
import assay.model.TensorSpec;
import assay.model.WeightSource;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Counts against a real session: bytes against what it allocates, FLOPs against the operations that
 * it calls, summed from the shapes of the tensors that they are given.
 */
class SessionAgreementTest {
  static Stream<ModelConfig> configs() {
    ModelConfig odd =
        ModelConfig.builder("odd", "qwen2")
            .size(3, 42, 77)
            .heads(6, 2, 10)
            .tokens(207, 64)
            .biases(true, false, false)
            .qkNorm(true)
            .build();
    ModelConfig gpt =
        Presets.byName().get("gpt2").toBuilder()
            .size(2, 26, 100)
            .heads(2, 2, 13)
            .tokens(97, 50)
            .build();
    ModelConfig window = odd.toBuilder().window(9, 1).tied(true).biases(false, false, true).build();
    return Stream.of(odd, gpt, window);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void bytesByCategoryAgree(ModelConfig c) {
    try (Backend backend = new ReferenceBackend()) {
      for (Precision p : Precision.values()) {
        for (int variant = 0; variant < 4; variant++) {
          boolean stored = (variant & 1) != 0;
          boolean random = (variant & 2) != 0;
          int context = 13 + 7 * variant;
          SessionOptions o =
              SessionOptions.of(p, 3, context)
                  .withMaxPassTokens(7)
                  .withLogitRows(5)
                  .withAttention(stored ? AttentionPath.STORED : AttentionPath.TILED)
                  .withSampling(random ? new SamplingSpec(1, 0, 1) : SamplingSpec.GREEDY, 1);
          SessionSize s =
              new SessionSize(
                  StorageTypes.of(p, DType.F32), 3, context, 7, 5, context, random, stored, random);
          MemoryPlan real = Session.plan(backend, new Noise(c), o, random);
          assertSame(real, MemoryCost.of(c, s, 0), c.name() + " " + p + " " + variant);
        }
      }
    }
  }

  @Test
  void presetsAgreeWithTheUsualSession() {
    try (Backend backend = new ReferenceBackend()) {
      for (ModelConfig c : Presets.byName().values()) {
        if (c.nExperts() > 1) {
          continue; // cannot be run
        }
        SessionOptions o = SessionOptions.of(Precision.INT4, 2, 1024);
        SessionSize s = SessionSize.of(Precision.INT4, DType.F32, 2, 1024);
        assertSame(Session.plan(backend, new Noise(c), o, false), MemoryCost.of(c, s, 0), c.name());
      }
    }
  }

  private static void assertSame(MemoryPlan real, MemoryCost cost, String what) {
    for (MemoryKind k : MemoryKind.values()) {
      MemoryCategory category = MemoryCategory.valueOf(k.name());
      assertEquals(real.tensorBytes().getOrDefault(category, 0L), cost.bytes(k), what + " " + k);
      assertEquals(
          real.reservedBytes().getOrDefault(category, 0L),
          cost.reservedByKind().getOrDefault(k, 0L),
          what + " reserved " + k);
    }
    assertEquals(real.totalReservedBytes(), cost.totalReservedBytes(), what);
  }

  @ParameterizedTest
  @MethodSource("configs")
  void flopsAndLaunchesAgree(ModelConfig c) {
    try (Backend reference = new ReferenceBackend()) {
      Counter counter = new Counter();
      Backend counting = counter.around(reference);
      SessionOptions o = SessionOptions.of(Precision.FP32, 2, 20).withMaxPassTokens(6);
      try (Session session = Session.open(counting, new Noise(c), o)) {
        int[] prompt = {5, 9, 1, 0, 7, 3, 2, 60, 61, 62, 63, 4, 11};
        session.start(new int[][] {prompt, prompt});
        counter.reset(0);
        session.enqueuePrefill();
        StorageTypes types = StorageTypes.of(Precision.FP32, DType.F32);
        PhaseCost prefill = CostModel.prefill(c, types, 2, prompt.length, 6);
        assertEquals(counter.flops, prefill.flops());
        assertEquals(counter.calls, prefill.launches());
        for (int step = 1; step <= 4; step++) {
          counter.reset(prompt.length + step - 1);
          session.enqueueDecode();
          PassCost decode = CostModel.decode(c, types, 2, prompt.length + step);
          assertEquals(counter.flops, decode.flops());
          assertEquals(counter.calls, decode.launches());
        }
      }
    }
  }

  /** Sums FLOPs from the shapes that each operation is called with, counting mask pairs singly. */
  private static final class Counter {
    private long flops;
    private long calls;
    private int slot;

    void reset(int slot) {
      flops = 0;
      calls = 0;
      this.slot = slot;
    }

    Backend around(Backend real) {
      return (Backend)
          Proxy.newProxyInstance(
              Counter.class.getClassLoader(),
              new Class<?>[] {Backend.class},
              (proxy, method, args) -> {
                count(method.getName(), args);
                try {
                  return method.invoke(real, args);
                } catch (InvocationTargetException e) {
                  throw e.getCause();
                }
              });
    }

    private void count(String operation, Object[] a) {
      long before = flops;
      switch (operation) {
        case "embed" -> flops += a[2] == null ? 0 : elements(a[4]);
        case "norm" -> flops += elements(a[1]) * perNorm(a[0]);
        case "addNorm" -> flops += elements(a[0]) * (1 + perNorm(a[2]));
        case "headNorm" -> flops += elements(a[0]) * 4;
        case "matmul" -> {
          Tensor x = (Tensor) a[0];
          Tensor w = (Tensor) a[1];
          flops += 2L * x.rows() * x.columns() * w.rows();
        }
        case "bias", "add" -> flops += elements(a[0]);
        case "rope" -> flops += 3 * elements(a[0]);
        case "attention" -> flops += attention((AttentionSpec) a[0]);
        case "activation" -> {
          int perElement =
              switch ((assay.model.Activation) a[0]) {
                case SILU -> 4;
                case GELU_TANH -> 9;
                default -> throw new AssertionError(a[0]);
              };
          flops += elements(a[3]) * (perElement + ((boolean) a[1] ? 1 : 0));
        }
        case "advance" -> slot += (int) a[1];
        case "storeKv", "sample" -> {}
        default -> {
          assertEquals(before, flops);
          return;
        }
      }
      calls++;
    }

    private long attention(AttentionSpec s) {
      long pairs = 0;
      for (int i = slot; i < slot + s.tokensPerSequence(); i++) {
        for (int j = 0; j <= i; j++) {
          pairs += s.window() == 0 || i - j < s.window() ? 1 : 0;
        }
      }
      pairs *= (long) s.batch() * s.nHeads();
      return pairs * (4L * s.headDim() + 5) + (long) s.rows() * s.nHeads() * s.headDim();
    }

    private static long perNorm(Object kind) {
      return kind == NormKind.RMS ? 4 : 7;
    }

    private static long elements(Object tensor) {
      Tensor t = (Tensor) tensor;
      return (long) t.rows() * t.columns();
    }
  }

  /** Small seeded weights. */
  private record Noise(ModelConfig config) implements WeightSource {
    @Override
    public String kind() {
      return "random";
    }

    @Override
    public DType storedType(TensorSpec spec) {
      return DType.F32;
    }

    @Override
    public void read(TensorSpec spec, int first, int count, DType type, MemorySegment out) {
      int columns = (int) spec.columns();
      float[] row = new float[columns];
      for (int r = 0; r < count; r++) {
        SplittableRandom random =
            new SplittableRandom(31L * (first + r) + spec.role().name().hashCode());
        for (int i = 0; i < columns; i++) {
          row[i] = (float) random.nextDouble(-0.1, 0.1);
        }
        BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
      }
    }

    @Override
    public void close() {}
  }
}
