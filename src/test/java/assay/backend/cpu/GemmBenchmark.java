package assay.backend.cpu;

import assay.backend.SessionShape;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The product of a prefill, [rows, 2048] · [5632, 2048]ᵀ as in TinyLlama's MLP, on all cores:
 * {@code scripts/jmh GemmBenchmark}. Weights are taken in turn from matrices of 256 MB altogether,
 * so they come from memory as in a model. The column {@code flops} is FLOP/s.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 7, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {
      "--add-modules=jdk.incubator.vector",
      "--enable-native-access=ALL-UNNAMED",
      "-XX:+UseSerialGC"
    })
public class GemmBenchmark {
  private static final int OUTPUTS = 5632;
  private static final int INPUTS = 2048;
  private static final long WEIGHT_BYTES = 256L << 20;
  private static final long OTHER_BYTES = 96L << 20;
  private static final int SEED = 1;

  @Param({"F32", "F16", "BF16", "Q8_0", "Q4_0"})
  public DType type = DType.F32;

  @Param({"128", "512"})
  public int rows;

  private CpuBackend backend;
  private Arena arena;
  private Tensor[] weights;
  private Tensor x;
  private Tensor out;
  private int next;

  /** What the product computes, for a rate beside products per second. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Work {
    public double flops;
  }

  @Setup(Level.Trial)
  public void open() {
    backend = new CpuBackend();
    arena = backend.newArena(MemoryCategory.WEIGHTS, WEIGHT_BYTES + OTHER_BYTES);
    ModelConfig model = Presets.byName().get("tinyllama-1.1b");
    SessionShape shape = new SessionShape(model, Precision.FP32, 1, rows, rows, 1);
    backend.reserveWorkspace(shape, arena);
    long bytes = type.bytes(OUTPUTS, INPUTS);
    weights = new Tensor[Math.toIntExact(WEIGHT_BYTES / bytes)];
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment values = host.allocate(bytes, 64);
      Random random = new Random(SEED);
      float[] row = new float[INPUTS];
      for (int r = 0; r < OUTPUTS; r++) {
        for (int k = 0; k < INPUTS; k++) {
          row[k] = random.nextFloat() - 0.5f;
        }
        BlockFormat.encodeRow(type, row, 0, INPUTS, values, r * type.rowBytes(INPUTS));
      }
      for (int i = 0; i < weights.length; i++) {
        weights[i] = backend.weight(arena, type, OUTPUTS, INPUTS);
        backend.writeWeight(weights[i], 0, OUTPUTS, values);
      }
      x = arena.allocate(DType.F32, rows, INPUTS);
      out = arena.allocate(DType.F32, rows, OUTPUTS);
      MemorySegment input = host.allocate(x.bytes(), 64);
      for (long i = 0; i < (long) rows * INPUTS; i++) {
        input.setAtIndex(ValueLayout.JAVA_FLOAT, i, random.nextFloat() - 0.5f);
      }
      backend.write(x, input);
    }
  }

  @Benchmark
  public void product(Work work) {
    backend.matmul(x, weights[next], out, false);
    backend.await();
    next = (next + 1) % weights.length;
    work.flops += 2.0 * rows * OUTPUTS * INPUTS;
  }

  @TearDown(Level.Trial)
  public void close() {
    arena.close();
    backend.close();
  }
}
