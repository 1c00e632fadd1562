package assay.backend.cpu;

import assay.backend.AttentionSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
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
 * Attention of one new token over a cache of so many, in the heads of TinyLlama (32 on 4 key heads)
 * and of the 15M shape (6 on 6), on all cores: {@code scripts/jmh DecodeAttentionBenchmark}.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 7, time = 1)
@Fork(
    value = 1,
    jvmArgsAppend = {
      "--add-modules=jdk.incubator.vector",
      "--enable-native-access=ALL-UNNAMED",
      "-XX:+UseSerialGC"
    })
public class DecodeAttentionBenchmark {
  private static final int MAX_TOKENS = 2048;

  @Param({"tinyllama-1.1b", "tiny"})
  public String model = "";

  @Param({"F32", "F16"})
  public DType cache = DType.F32;

  @Param({"64", "2000"})
  public int tokens;

  private CpuBackend backend;
  private Arena arena;
  private AttentionSpec spec;
  private StepState state;
  private Tensor q;
  private Tensor keys;
  private Tensor values;
  private Tensor out;

  @Setup(Level.Trial)
  public void open() {
    ModelConfig c = Presets.byName().get(model);
    backend = new CpuBackend();
    arena = backend.newArena(MemoryCategory.KV_CACHE, 64L << 20);
    backend.reserveWorkspace(new SessionShape(c, Precision.FP32, 1, MAX_TOKENS, 1, 1), arena);
    spec = AttentionSpec.of(c, 0, 1, 1, true, MAX_TOKENS);
    q = arena.allocate(DType.F32, 1, c.qDim());
    keys = arena.allocate(cache, MAX_TOKENS * c.nKvHeads(), c.headDim());
    values = arena.allocate(cache, MAX_TOKENS * c.nKvHeads(), c.headDim());
    out = arena.allocate(DType.F32, 1, c.qDim());
    state = new StepState(arena.allocate(DType.I32, 1, 2), arena.allocate(DType.I32, 1, 1));
    try (var host = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment counters = host.allocate(8, 64);
      counters.setAtIndex(ValueLayout.JAVA_INT, StepState.SLOT, tokens - 1);
      backend.write(state.counters(), counters);
    }
  }

  @Benchmark
  public void attention() {
    backend.attention(spec, q, keys, values, state, null, out);
  }

  @TearDown(Level.Trial)
  public void close() {
    arena.close();
    backend.close();
  }
}
