package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.Assembler.R10;
import static assay.backend.cpu.kernel.Assembler.R11;
import static assay.backend.cpu.kernel.Assembler.R8;
import static assay.backend.cpu.kernel.Assembler.R9;
import static assay.backend.cpu.kernel.Assembler.RAX;
import static assay.backend.cpu.kernel.Assembler.RCX;
import static assay.backend.cpu.kernel.Assembler.RDI;
import static assay.backend.cpu.kernel.Assembler.RDX;
import static assay.backend.cpu.kernel.Assembler.RSI;

import assay.backend.cpu.kernel.Assembler.Label;
import assay.backend.cpu.kernel.Assembler.Mem;
import assay.backend.cpu.kernel.Assembler.Op;

/**
 * Machine code for operations on rows of fp32 ({@link RowKernels}). Arguments: rdi, rsi, rdx, rcx
 * as said with each; r9 whole vectors of 16 in the row, r8 a mask of the lanes of what remains, 0
 * for nothing; xmm0, xmm1 fp32. Results come in xmm0. In loops rax is the offset into the row.
 */
final class RowCode {
  private static final int REST = 1;
  private static final int EXP_CONSTANTS = 16;

  /**
   * Lanes beyond which e^x certainly overflows or is below every subnormal, and the arithmetic on
   * the way stays finite.
   */
  private static final float EXP_BOUND = 110;

  private final Assembler a = new Assembler();

  private RowCode() {}

  /** One step of a loop over a row: {@code rest} for the masked end. */
  private interface Step {
    void emit(boolean rest);
  }

  private void overRow(Step step) {
    Label loop = new Label();
    Label rest = new Label();
    Label done = new Label();
    a.movImm(RAX, 0);
    a.mov(R10, R9);
    a.test(R10, R10);
    a.jz(rest);
    a.bind(loop);
    step.emit(false);
    a.addImm(RAX, 64);
    a.subImm(R10, 1);
    a.jnz(loop);
    a.bind(rest);
    a.test(R8, R8);
    a.jz(done);
    step.emit(true);
    a.bind(done);
  }

  private static Mem at(int base) {
    return new Mem(base, RAX, 1, 0);
  }

  /** Lanes beyond the row load as zero. */
  private void load(boolean rest, int dst, int base) {
    if (rest) {
      a.masked(REST, true);
    }
    a.v(Op.VMOVUPS_LOAD, dst, at(base));
  }

  private void store(boolean rest, int src, int base) {
    if (rest) {
      a.masked(REST, false);
    }
    a.v(Op.VMOVUPS_STORE, src, at(base));
  }

  /** dst = dst op src, lanes beyond the row unchanged. */
  private void accumulate(boolean rest, Op op, int dst, int a1, int a2) {
    if (rest) {
      a.masked(REST, false);
    }
    a.v(op, dst, a1, a2);
  }

  private byte[] end() {
    a.vzeroupper();
    a.ret();
    return a.bytes();
  }

  private void begin() {
    a.kmov(REST, R8);
  }

  /** rdi x += rsi delta. */
  static byte[] add() {
    RowCode c = new RowCode();
    c.begin();
    c.overRow(
        rest -> {
          c.load(rest, 0, RDI);
          c.load(rest, 1, RSI);
          c.a.v(Op.VADDPS, 0, 0, 1);
          c.store(rest, 0, RDI);
        });
    return c.end();
  }

  /** rsi out = rdi x · xmm0. */
  static byte[] scale() {
    RowCode c = new RowCode();
    c.begin();
    c.a.v(Op.VBROADCASTSS, 2, 0);
    c.overRow(
        rest -> {
          c.load(rest, 1, RDI);
          c.a.v(Op.VMULPS, 1, 1, 2);
          c.store(rest, 1, RSI);
        });
    return c.end();
  }

  /**
   * rdx out = (rdi x − mean) · rsi gain / √(mean square + xmm0); xmm1 is 1/count. The mean is 0
   * unless {@code centred}.
   */
  static byte[] norm(boolean centred) {
    int eps = 8;
    int perCount = 9;
    int mean = 10;
    int scale = 11;
    int t = 12;
    RowCode c = new RowCode();
    Assembler a = c.a;
    c.begin();
    a.v(Op.VBROADCASTSS, eps, 0);
    a.v(Op.VBROADCASTSS, perCount, 1);
    a.v(Op.VPXORD, mean, mean, mean);
    a.v(Op.VPXORD, scale, scale, scale);
    if (centred) {
      c.overRow(
          rest -> {
            c.load(rest, 1, RDI);
            a.v(Op.VADDPS, mean, mean, 1);
          });
      a.acrossLanes(Op.VADDPS, mean, t);
      a.v(Op.VMULPS, mean, mean, perCount);
    }
    c.overRow(
        rest -> {
          c.load(rest, 1, RDI);
          a.v(Op.VSUBPS, 1, 1, mean);
          c.accumulate(rest, Op.VFMADD231PS, scale, 1, 1);
        });
    a.acrossLanes(Op.VADDPS, scale, t);
    a.v(Op.VFMADD213PS, scale, perCount, eps);
    a.v(Op.VSQRTPS, scale, scale);
    a.constant(t, Float.floatToRawIntBits(1));
    a.v(Op.VDIVPS, scale, t, scale);
    c.overRow(
        rest -> {
          c.load(rest, 1, RDI);
          c.load(rest, 2, RSI);
          a.v(Op.VSUBPS, 1, 1, mean);
          a.v(Op.VMULPS, 1, 1, scale);
          a.v(Op.VMULPS, 1, 1, 2);
          c.store(rest, 1, RDX);
        });
    return c.end();
  }

  /** rdi x: rcx heads of rdx bytes per half, rotated by rsi: cosines, then sines. */
  static byte[] rope() {
    RowCode c = new RowCode();
    Assembler a = c.a;
    Label nextHead = new Label();
    c.begin();
    a.lea(R11, new Mem(RSI, RDX, 1, 0));
    a.bind(nextHead);
    a.push(Assembler.RBX);
    a.lea(Assembler.RBX, new Mem(RDI, RDX, 1, 0));
    c.overRow(
        rest -> {
          c.load(rest, 0, RDI);
          c.load(rest, 1, Assembler.RBX);
          c.load(rest, 2, RSI);
          c.load(rest, 3, R11);
          a.v(Op.VMULPS, 4, 0, 2);
          a.v(Op.VFNMADD231PS, 4, 1, 3);
          a.v(Op.VMULPS, 5, 1, 2);
          a.v(Op.VFMADD231PS, 5, 0, 3);
          c.store(rest, 4, RDI);
          c.store(rest, 5, Assembler.RBX);
        });
    a.pop(Assembler.RBX);
    a.lea(RDI, new Mem(RDI, RDX, 2, 0));
    a.subImm(RCX, 1);
    a.jnz(nextHead);
    return c.end();
  }

  /** xmm0 = the largest of rdi x, NaN if there is one: vmaxps alone would pass over it. */
  static byte[] max() {
    int unordered = 2;
    int anyNaN = 3;
    RowCode c = new RowCode();
    Assembler a = c.a;
    Label done = new Label();
    c.begin();
    a.kclear(anyNaN);
    a.constant(0, Float.floatToRawIntBits(Float.NEGATIVE_INFINITY));
    c.overRow(
        rest -> {
          c.load(rest, 1, RDI);
          a.v(Op.VCMPPS, unordered, 1, 1, 3);
          a.kor(anyNaN, anyNaN, unordered);
          c.accumulate(rest, Op.VMAXPS, 0, 1, 0);
        });
    a.acrossLanes(Op.VMAXPS, 0, 1);
    a.kmovFrom(RAX, anyNaN);
    a.test(RAX, RAX);
    a.jz(done);
    a.constant(0, Float.floatToRawIntBits(Float.NaN));
    a.bind(done);
    return c.end();
  }

  /** rdi x = e^(x − xmm0); xmm0 = their sum. */
  static byte[] expMinus() {
    int max = 8;
    RowCode c = new RowCode();
    Assembler a = c.a;
    c.begin();
    a.v(Op.VBROADCASTSS, max, 0);
    a.v(Op.VPXORD, 0, 0, 0);
    c.expConstants();
    c.overRow(
        rest -> {
          c.load(rest, 1, RDI);
          a.v(Op.VSUBPS, 1, 1, max);
          c.exp(1, 2, 3);
          c.store(rest, 2, RDI);
          c.accumulate(rest, Op.VADDPS, 0, 0, 2);
        });
    a.acrossLanes(Op.VADDPS, 0, 1);
    return c.end();
  }

  /**
   * rdx out = rdi x / (1 + e^−u), times rsi where {@code gated}. With u = x this is SiLU; with u =
   * 2·√(2/π)·(x + 0.044715·x³) it is GELU's tanh form, since (1 + tanh v)/2 = 1/(1 + e^−2v).
   */
  static byte[] sigmoidTimes(boolean gelu, boolean gated) {
    int cubic = 8;
    int linear = 9;
    RowCode c = new RowCode();
    Assembler a = c.a;
    c.begin();
    double factor = gelu ? -2 * Math.sqrt(2 / Math.PI) : -1;
    a.constant(cubic, Float.floatToRawIntBits((float) (0.044715 * factor)));
    a.constant(linear, Float.floatToRawIntBits((float) factor));
    c.expConstants();
    c.overRow(
        rest -> {
          c.load(rest, 0, RDI);
          if (gelu) {
            a.v(Op.VMULPS, 4, 0, 0);
            a.v(Op.VFMADD213PS, 4, cubic, linear);
            a.v(Op.VMULPS, 1, 4, 0);
          } else {
            a.v(Op.VMULPS, 1, 0, linear);
          }
          c.exp(1, 2, 3);
          a.v(Op.VADDPS, 2, 2, EXP_CONSTANTS);
          a.v(Op.VDIVPS, 0, 0, 2);
          if (gated) {
            c.load(rest, 1, RSI);
            a.v(Op.VMULPS, 0, 0, 1);
          }
          c.store(rest, 0, RDX);
        });
    return c.end();
  }

  /**
   * 1, 1/2 … 1/5040 for the Taylor series, then log₂e, −ln 2 in two parts, and the bounds. The
   * first is 1.
   */
  private void expConstants() {
    double factorial = 1;
    for (int n = 1; n <= 7; n++) {
      factorial *= n;
      a.constant(EXP_CONSTANTS + n - 1, Float.floatToRawIntBits((float) (1 / factorial)));
    }
    float high = 355 / 512f;
    a.constant(EXP_CONSTANTS + 7, Float.floatToRawIntBits((float) (1 / Math.log(2))));
    a.constant(EXP_CONSTANTS + 8, Float.floatToRawIntBits(-high));
    a.constant(EXP_CONSTANTS + 9, Float.floatToRawIntBits((float) (high - Math.log(2))));
    a.constant(EXP_CONSTANTS + 10, Float.floatToRawIntBits(-EXP_BOUND));
    a.constant(EXP_CONSTANTS + 11, Float.floatToRawIntBits(EXP_BOUND));
  }

  /** dst = e^x; destroys x and t. As {@link VectorMath#exp}: e^x = 2^n · e^r, |r| ≤ ln 2 / 2. */
  private void exp(int x, int dst, int t) {
    int k = EXP_CONSTANTS;
    // A NaN is the second operand's to keep.
    a.v(Op.VMAXPS, x, k + 10, x);
    a.v(Op.VMINPS, x, k + 11, x);
    a.v(Op.VMULPS, t, x, k + 7);
    a.v(Op.VRNDSCALEPS, t, 0, t, 0);
    a.v(Op.VFMADD231PS, x, t, k + 8);
    a.v(Op.VFMADD231PS, x, t, k + 9);
    a.v(Op.VMOVUPS_LOAD, dst, k + 6);
    for (int n = 5; n >= 0; n--) {
      a.v(Op.VFMADD213PS, dst, x, k + n);
    }
    a.v(Op.VFMADD213PS, dst, x, k);
    a.v(Op.VSCALEFPS, dst, dst, t);
  }

  /**
   * rdx out[j] = xmm0 · Σ rdi query · rsi keys[j] for rcx keys; vectors of {@code width} elements
   * without gaps.
   */
  static byte[] scores(int width) {
    int vectors = Math.ceilDiv(width, 16);
    int factor = 30;
    int t = 29;
    int k = 28;
    RowCode c = new RowCode();
    Assembler a = c.a;
    Label next = new Label();
    c.begin();
    a.v(Op.VBROADCASTSS, factor, 0);
    for (int i = 0; i < vectors; i++) {
      c.part(i, width, RDI, i);
    }
    a.bind(next);
    int sum = 24;
    for (int i = 0; i < vectors; i++) {
      if (16 * i + 16 > width) {
        c.part(i, width, RSI, k);
        a.v(i == 0 ? Op.VMULPS : Op.VFMADD231PS, sum, i, k);
      } else {
        a.v(i == 0 ? Op.VMULPS : Op.VFMADD231PS, sum, i, Mem.at(RSI, 64 * i));
      }
    }
    a.acrossLanes(Op.VADDPS, sum, t);
    a.v(Op.VMULPS, sum, sum, factor);
    a.v(Op.VMOVSS_STORE, sum, Mem.at(RDX, 0));
    a.addImm(RSI, 4 * width);
    a.addImm(RDX, 4);
    a.subImm(RCX, 1);
    a.jnz(next);
    return c.end();
  }

  /**
   * rdx out += Σ_j rdi weights[j] · rsi values[j] for rcx values; vectors of {@code width} elements
   * without gaps.
   */
  static byte[] addWeighted(int width) {
    int vectors = Math.ceilDiv(width, 16);
    int weight = 30;
    int value = 29;
    RowCode c = new RowCode();
    Assembler a = c.a;
    Label next = new Label();
    c.begin();
    for (int i = 0; i < vectors; i++) {
      c.part(i, width, RDX, i);
    }
    a.bind(next);
    a.v(Op.VBROADCASTSS, weight, Mem.at(RDI, 0));
    for (int i = 0; i < vectors; i++) {
      if (16 * i + 16 > width) {
        c.part(i, width, RSI, value);
        a.v(Op.VFMADD231PS, i, weight, value);
      } else {
        a.v(Op.VFMADD231PS, i, weight, Mem.at(RSI, 64 * i));
      }
    }
    a.addImm(RDI, 4);
    a.addImm(RSI, 4 * width);
    a.subImm(RCX, 1);
    a.jnz(next);
    for (int i = 0; i < vectors; i++) {
      if (16 * i + 16 > width) {
        a.masked(REST, false);
      }
      a.v(Op.VMOVUPS_STORE, i, Mem.at(RDX, 64 * i));
    }
    return c.end();
  }

  /** Vector {@code i} of {@code width} elements at a base; what lies beyond loads as zero. */
  private void part(int i, int width, int base, int dst) {
    if (16 * i + 16 > width) {
      a.masked(REST, true);
    }
    a.v(Op.VMOVUPS_LOAD, dst, Mem.at(base, 64 * i));
  }
}
