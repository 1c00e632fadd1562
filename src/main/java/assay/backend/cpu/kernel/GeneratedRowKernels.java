package assay.backend.cpu.kernel;

import assay.model.Activation;
import assay.model.NormKind;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.IntFunction;

/**
 * Rows in machine code ({@link RowCode}): at full speed from the first call and without the objects
 * that the Vector API makes until it is compiled. Rarer activations are the Vector API's.
 */
final class GeneratedRowKernels implements RowKernels {
  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

  /** Widest head whose vectors fit the registers. */
  private static final int MAX_WIDTH = 256;

  @SuppressWarnings("restricted")
  private static final MethodHandle CALL =
      Linker.nativeLinker()
          .downcallHandle(
              FunctionDescriptor.of(FLOAT, LONG, LONG, LONG, LONG, LONG, LONG, FLOAT, FLOAT));

  private final VectorRowKernels others = new VectorRowKernels();
  private final ExecutableMemory memory;
  private final MemorySegment add;
  private final MemorySegment scale;
  private final MemorySegment rmsNorm;
  private final MemorySegment layerNorm;
  private final MemorySegment rope;
  private final MemorySegment max;
  private final MemorySegment expMinus;
  private final MemorySegment silu;
  private final MemorySegment gatedSilu;
  private final MemorySegment gelu;
  private final MemorySegment gatedGelu;
  private final AtomicReferenceArray<MemorySegment> scores =
      new AtomicReferenceArray<>(MAX_WIDTH + 1);
  private final AtomicReferenceArray<MemorySegment> addWeighted =
      new AtomicReferenceArray<>(MAX_WIDTH + 1);

  GeneratedRowKernels(ExecutableMemory memory) {
    this.memory = memory;
    add = memory.install(RowCode.add());
    scale = memory.install(RowCode.scale());
    rmsNorm = memory.install(RowCode.norm(false));
    layerNorm = memory.install(RowCode.norm(true));
    rope = memory.install(RowCode.rope());
    max = memory.install(RowCode.max());
    expMinus = memory.install(RowCode.expMinus());
    silu = memory.install(RowCode.sigmoidTimes(false, false));
    gatedSilu = memory.install(RowCode.sigmoidTimes(false, true));
    gelu = memory.install(RowCode.sigmoidTimes(true, false));
    gatedGelu = memory.install(RowCode.sigmoidTimes(true, true));
  }

  private static float call(
      MemorySegment code, long a, long b, long c, long d, int count, float s, float t) {
    long rest = (1L << (count & 15)) - 1;
    long whole = count >> 4;
    try {
      return (float) CALL.invokeExact(code, a, b, c, d, rest, whole, s, t);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void add(long x, long delta, int count) {
    float ignored = call(add, x, delta, 0, 0, count, 0, 0);
  }

  @Override
  public void scale(long x, float factor, int count, long out) {
    float ignored = call(scale, x, out, 0, 0, count, factor, 0);
  }

  @Override
  public void norm(NormKind kind, long x, long gain, float eps, int count, long out) {
    MemorySegment code = kind == NormKind.RMS ? rmsNorm : layerNorm;
    float ignored = call(code, x, gain, out, 0, count, eps, 1f / count);
  }

  @Override
  public void rope(long x, int heads, int headDim, long table) {
    int half = headDim / 2;
    float ignored = call(rope, x, table, 4L * half, heads, half, 0, 0);
  }

  @Override
  public void activate(Activation activation, long x, long up, int count, long out) {
    switch (activation) {
      case SILU -> {
        float ignored = call(up == 0 ? silu : gatedSilu, x, up, out, 0, count, 0, 0);
      }
      case GELU_TANH -> {
        float ignored = call(up == 0 ? gelu : gatedGelu, x, up, out, 0, count, 0, 0);
      }
      default -> others.activate(activation, x, up, count, out);
    }
  }

  @Override
  public float max(long x, int count) {
    return call(max, x, 0, 0, 0, count, 0, 0);
  }

  @Override
  public float expMinus(long x, float max, int count) {
    return call(expMinus, x, 0, 0, 0, count, max, 0);
  }

  @Override
  public void scores(long query, long keys, int count, int width, float factor, long out) {
    if (width > MAX_WIDTH) {
      others.scores(query, keys, count, width, factor, out);
      return;
    }
    MemorySegment code = code(scores, width, RowCode::scores);
    float ignored = call(code, query, keys, out, count, width, factor, 0);
  }

  @Override
  public void addWeighted(long weights, long values, int count, int width, long out) {
    if (width > MAX_WIDTH) {
      others.addWeighted(weights, values, count, width, out);
      return;
    }
    MemorySegment code = code(addWeighted, width, RowCode::addWeighted);
    float ignored = call(code, weights, values, out, count, width, 0, 0);
  }

  private MemorySegment code(
      AtomicReferenceArray<MemorySegment> codes, int width, IntFunction<byte[]> generator) {
    MemorySegment code = codes.get(width);
    return code != null ? code : generate(codes, width, generator);
  }

  private synchronized MemorySegment generate(
      AtomicReferenceArray<MemorySegment> codes, int width, IntFunction<byte[]> generator) {
    MemorySegment code = codes.get(width);
    if (code == null) {
      code = memory.install(generator.apply(width));
      codes.set(width, code);
    }
    return code;
  }
}
