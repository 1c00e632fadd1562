package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.Assembler.RDX;

import assay.backend.cpu.kernel.Assembler.Label;
import assay.backend.cpu.kernel.Assembler.Op;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Whether this processor's bf16 dot product outruns its fp32 multiply-add. The instruction does
 * twice the work, but takes as long as one multiply-add on some processors (AMD Zen 4: twice the
 * rate) and as long as four on others (some Intel servers: half the rate), and nothing but a clock
 * tells. Both are run in registers, in turns, together well under a millisecond, and the shortest
 * of several runs counts: whatever else happens on the machine makes a run longer, never shorter.
 */
final class PeakProbe {
  /** Independent sums: more than latency × rate of any such processor. */
  private static final int CHAINS = 16;

  private static final int TURNS = 400;
  private static final int RUNS = 10;

  /**
   * How much faster it must be to be taken: below that, rounding x costs accuracy and buys nothing.
   * Known processors are at about 2 or 0.5, so the choice does not depend on noise.
   */
  private static final double WORTH = 1.25;

  @SuppressWarnings("restricted")
  private static final MethodHandle LOOP =
      Linker.nativeLinker()
          .downcallHandle(
              FunctionDescriptor.ofVoid(
                  ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));

  private PeakProbe() {}

  /** Runs both; needs AVX512_BF16. */
  static boolean bf16DotIsFaster(ExecutableMemory memory) {
    MemorySegment multiplyAdd = memory.install(loop(Op.VFMADD231PS));
    MemorySegment dot = memory.install(loop(Op.VDPBF16PS));
    long multiplyAddNs = Long.MAX_VALUE;
    long dotNs = Long.MAX_VALUE;
    for (int i = 0; i < RUNS; i++) {
      multiplyAddNs = Math.min(multiplyAddNs, elapsedNs(multiplyAdd));
      dotNs = Math.min(dotNs, elapsedNs(dot));
    }
    return isWorthIt(multiplyAddNs, dotNs);
  }

  /** Whether equally many dot products, of twice the work each, are enough faster. */
  static boolean isWorthIt(long multiplyAddNs, long dotNs) {
    return 2.0 * multiplyAddNs >= WORTH * dotNs;
  }

  private static long elapsedNs(MemorySegment code) {
    long start = System.nanoTime();
    try {
      LOOP.invokeExact(code, 0L, 0L, (long) TURNS);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
    return System.nanoTime() - start;
  }

  /** rdx turns of {@link #CHAINS} instructions on zeros. */
  private static byte[] loop(Op op) {
    Assembler a = new Assembler();
    for (int i = 0; i <= CHAINS; i++) {
      a.v(Op.VPXORD, i, i, i);
    }
    Label loop = new Label();
    a.bind(loop);
    for (int i = 0; i < CHAINS; i++) {
      a.v(op, i, CHAINS, CHAINS);
    }
    a.subImm(RDX, 1);
    a.jnz(loop);
    a.vzeroupper();
    a.ret();
    return a.bytes();
  }
}
