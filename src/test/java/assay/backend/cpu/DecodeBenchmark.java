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
 * The products of decode, one row of x, in the widths of TinyLlama and of the 15M shape, on all
 * cores: {@code scripts/jmh DecodeBenchmark}. Weights are taken in turn from as many matrices as
 * make up {@code megabytes}: 256 come from memory, 8 from the last-level cache. The column {@code
 * bytes} is bytes of weights per second.
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
public class DecodeBenchmark {
  private static final int SEED = 1;

  @Param({"F32", "F16", "BF16", "Q8_0", "Q4_0"})
  public DType type = DType.F32;

  /** Outputs × inputs. */
  @Param({"2048x2048", "864x288"})
  public String shape = "";

  @Param({"256", "8"})
  public int megabytes;

  private CpuBackend backend;
  private Arena arena;
  private Tensor[] weights;
  private Tensor x;
  private Tensor out;
  private int next;

  /** What was read, for a rate beside products per second. */
  @State(Scope.Thread)
  @AuxCounters(AuxCounters.Type.OPERATIONS)
  public static class Work {
    public double bytes;
  }

  @Setup(Level.Trial)
  public void open() {
    int outputs = Integer.parseInt(shape.substring(0, shape.indexOf('x')));
    int inputs = Integer.parseInt(shape.substring(shape.indexOf('x') + 1));
    backend = new CpuBackend();
    arena = backend.newArena(MemoryCategory.WEIGHTS, (megabytes + 96L) << 20);
    ModelConfig model = Presets.byName().get("tinyllama-1.1b");
    SessionShape session = new SessionShape(model, Precision.FP32, 1, 8, 1, 1);
    backend.reserveWorkspace(session, arena);
    long bytes = type.bytes(outputs, inputs);
    weights = new Tensor[Math.toIntExact(((long) megabytes << 20) / bytes)];
    Random random = new Random(SEED);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment rows = scratch.allocate(bytes, 64);
      float[] row = new float[inputs];
      for (int r = 0; r < outputs; r++) {
        for (int i = 0; i < inputs; i++) {
          row[i] = (float) random.nextGaussian();
        }
        BlockFormat.encodeRow(type, row, 0, inputs, rows, r * type.rowBytes(inputs));
      }
      for (int i = 0; i < weights.length; i++) {
        weights[i] = backend.weight(arena, type, outputs, inputs);
        backend.writeWeight(weights[i], 0, outputs, rows);
      }
      MemorySegment input = scratch.allocate(4L * inputs, 64);
      for (int i = 0; i < inputs; i++) {
        input.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) random.nextGaussian());
      }
      x = arena.allocate(DType.F32, 1, inputs);
      backend.write(x, input);
    }
    out = arena.allocate(DType.F32, 1, outputs);
  }

  @Benchmark
  public void product(Work work) {
    Tensor w = weights[next];
    next = (next + 1) % weights.length;
    backend.matmul(x, w, out, false);
    work.bytes += w.bytes();
  }

  @TearDown(Level.Trial)
  public void close() {
    arena.close();
    backend.close();
  }
}
