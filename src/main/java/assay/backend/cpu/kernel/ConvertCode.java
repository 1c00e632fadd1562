package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.Assembler.RCX;
import static assay.backend.cpu.kernel.Assembler.RDI;
import static assay.backend.cpu.kernel.Assembler.RDX;
import static assay.backend.cpu.kernel.Assembler.RSI;

import assay.backend.cpu.kernel.Assembler.Label;
import assay.backend.cpu.kernel.Assembler.Mem;
import assay.backend.cpu.kernel.Assembler.Op;

/**
 * Machine code for conversions of rows: fp16 to fp32 and back, fp32 to bf16 and to blocks of int8.
 * Arguments: rdi from, rsi to, rdx count, rcx extra.
 */
final class ConvertCode {
  private static final int BLOCK = 32;
  private static final int X0 = 0;
  private static final int X1 = 1;
  private static final int MAX = 2;
  private static final int T = 3;
  private static final int ABSOLUTE = 4;
  private static final int TINY = 5;
  private static final int BY_127 = 6;
  private static final int C127 = 7;
  private static final int ZERO_POINT = 8;
  private static final int ONE = 4;
  private static final int BELOW_HALF = 5;
  private static final int QUIET = 6;

  /** A mask register. */
  private static final int UNORDERED = 1;

  private ConvertCode() {}

  /** rdx vectors of 16 fp16 to fp32. */
  static byte[] halfToFloat() {
    Assembler a = new Assembler();
    Label loop = new Label();
    a.bind(loop);
    a.v(Op.VCVTPH2PS, X0, Mem.at(RDI, 0));
    a.v(Op.VMOVUPS_STORE, X0, Mem.at(RSI, 0));
    advance(a, 32, 64, loop);
    return a.bytes();
  }

  /** rdx vectors of 16 fp32 to the nearest fp16, ties to even. */
  static byte[] floatToHalf() {
    Assembler a = new Assembler();
    Label loop = new Label();
    a.bind(loop);
    a.v(Op.VMOVUPS_LOAD, X0, Mem.at(RDI, 0));
    a.v(Op.VCVTPS2PH_STORE, X0, 0, Mem.at(RSI, 0), 0);
    advance(a, 64, 32, loop);
    return a.bytes();
  }

  /** rdx vectors of 16 bf16 to fp32. */
  static byte[] bf16ToFloat() {
    Assembler a = new Assembler();
    Label loop = new Label();
    a.bind(loop);
    a.v(Op.VPMOVZXWD, X0, Mem.at(RDI, 0));
    a.shiftLeft(X0, X0, 16);
    a.v(Op.VMOVUPS_STORE, X0, Mem.at(RSI, 0));
    advance(a, 32, 64, loop);
    return a.bytes();
  }

  /**
   * rdx vectors of 16 fp32 to the nearest bf16, ties to even: half a step less one, and one more if
   * the last bit is odd, are added before the lower half is dropped. A NaN stays one.
   */
  static byte[] floatToBf16() {
    Assembler a = new Assembler();
    a.constant(ONE, 1);
    a.constant(BELOW_HALF, 0x7fff);
    a.constant(QUIET, 0x40);
    Label loop = new Label();
    a.bind(loop);
    a.v(Op.VMOVUPS_LOAD, X0, Mem.at(RDI, 0));
    a.v(Op.VCMPPS, UNORDERED, X0, X0, 3);
    a.shiftRight(T, X0, 16);
    a.v(Op.VPANDD, X1, T, ONE);
    a.v(Op.VPADDD, X1, X1, X0);
    a.v(Op.VPADDD, X1, X1, BELOW_HALF);
    a.shiftRight(X1, X1, 16);
    a.v(Op.VPORD, T, T, QUIET);
    a.masked(UNORDERED, false).v(Op.VMOVUPS_LOAD, X1, T);
    a.v(Op.VPMOVDW_STORE, X1, Mem.at(RSI, 0));
    advance(a, 64, 32, loop);
    return a.bytes();
  }

  /**
   * rdx times 32 fp32 to the nearest bf16, ties to even; subnormals become zeros, as vdpbf16ps
   * takes them anyway. Needs AVX512_BF16.
   */
  static byte[] packBf16() {
    Assembler a = new Assembler();
    Label loop = new Label();
    a.bind(loop);
    a.v(Op.VMOVUPS_LOAD, X0, Mem.at(RDI, 0));
    a.v(Op.VMOVUPS_LOAD, X1, Mem.at(RDI, 64));
    // The first source becomes the upper half.
    a.v(Op.VCVTNE2PS2BF16, X0, X1, X0);
    a.v(Op.VMOVUPS_STORE, X0, Mem.at(RSI, 0));
    advance(a, 128, 64, loop);
    return a.bytes();
  }

  private static void advance(Assembler a, int from, int to, Label loop) {
    a.addImm(RDI, from);
    a.addImm(RSI, to);
    a.subImm(RDX, 1);
    a.jnz(loop);
    a.vzeroupper();
    a.ret();
  }

  /**
   * rdx blocks of 32 fp32 to {@link BlockTileCode}'s 40 bytes: d = max|x| / 127, q = x / d rounded
   * to nearest, and rcx · Σq, rcx being minus the weights' zero point. Magnitudes are compared as
   * integers, so that a NaN is the largest and makes d NaN. Below 1e−30 a block counts as that
   * large: no division by zero.
   */
  static byte[] quantize() {
    Assembler a = new Assembler();
    a.constant(ABSOLUTE, 0x7fffffff);
    a.constant(TINY, Float.floatToRawIntBits(1e-30f));
    a.constant(BY_127, Float.floatToRawIntBits(1 / 127f));
    a.constant(C127, Float.floatToRawIntBits(127f));
    a.v(Op.VPBROADCASTD_GPR, ZERO_POINT, RCX);
    Label loop = new Label();
    a.bind(loop);
    a.v(Op.VMOVUPS_LOAD, X0, Mem.at(RDI, 0));
    a.v(Op.VMOVUPS_LOAD, X1, Mem.at(RDI, 64));
    a.v(Op.VPANDD, MAX, X0, ABSOLUTE);
    a.v(Op.VPANDD, T, X1, ABSOLUTE);
    a.v(Op.VPMAXSD, MAX, MAX, T);
    a.acrossLanes(Op.VPMAXSD, MAX, T);
    a.v(Op.VPMAXSD, MAX, MAX, TINY);
    a.v(Op.VMULPS, T, MAX, BY_127);
    a.v(Op.VMOVSS_STORE, T, Mem.at(RSI, BLOCK));
    a.v(Op.VDIVPS, T, C127, MAX);
    for (int x : new int[] {X0, X1}) {
      a.v(Op.VMULPS, x, x, T);
      a.v(Op.VCVTPS2DQ, x, x);
      a.v(Op.VPMOVSDB_STORE, x, Mem.at(RSI, 16 * x));
    }
    a.v(Op.VPADDD, MAX, X0, X1);
    a.acrossLanes(Op.VPADDD, MAX, T);
    a.v(Op.VPMULLD, MAX, MAX, ZERO_POINT);
    a.v(Op.VMOVSS_STORE, MAX, Mem.at(RSI, BLOCK + 4));
    advance(a, BLOCK * Float.BYTES, BlockTileCode.X_BLOCK_BYTES, loop);
    return a.bytes();
  }
}
