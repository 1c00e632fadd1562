package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.Assembler.R8;
import static assay.backend.cpu.kernel.Assembler.RAX;
import static assay.backend.cpu.kernel.Assembler.RDI;
import static assay.backend.cpu.kernel.Assembler.RSI;

import assay.backend.cpu.kernel.Assembler.Label;
import assay.backend.cpu.kernel.Assembler.Mem;
import assay.backend.cpu.kernel.Assembler.Op;
import assay.model.DType;

/**
 * Machine code for C[m][lane] (+)= Σ over blocks of 32 of dx[m][b] · dw[b][lane] · Σ_k xq[m][k] ·
 * wq[k][lane]: Q8_0 or Q4_0 weights in one panel of 16 rows and activations quantised to int8 in
 * the same blocks. The inner sum is exact: vpdpbusd adds four products of an unsigned and a signed
 * byte to an int32.
 *
 * <p>Weights are the unsigned side: Q8_0 is stored as q + 128, a Q4_0 nibble is q + 8 as it is.
 * What that adds, 128·Σxq or 8·Σxq, is known when x is quantised and is where the int32 sum starts.
 * A block of a row of x is 40 bytes ({@link ConvertCode#quantize}): 32 xq, fp32 dx, int32 start.
 *
 * <p>Arguments as in {@link FloatTileCode}; r8 counts blocks. Per block and row: 8 vpdpbusd, one
 * each of broadcast, conversion, multiplication and FMA; so at best 80 % of the VNNI rate, which it
 * reaches on Zen 4. All rows' int32 sums are open at once, that is up to 12 independent chains.
 * Rejected: four rows at a time with a block's weights held in 8 registers (10–15 % slower, too few
 * chains for the latency); activations interleaved by row (no difference).
 */
final class BlockTileCode {
  /** Bytes of a block of 32 quantised activations. */
  static final int X_BLOCK_BYTES = 40;

  static final int MAX_ROWS = 12;
  private static final int INT_SUM = 12;

  /** Four registers in turn, so that loads run ahead. */
  private static final int W = 24;

  private static final int DW = 28;
  private static final int SCALE = 29;
  private static final int LOW_NIBBLES = 31;
  private static final int GROUPS = 8;

  private final Assembler a = new Assembler();
  private final boolean nibbles;
  private final int rows;
  private final int xRowBytes;
  private final int blockBytes;

  private BlockTileCode(DType type, int rows, int xRowBytes) {
    this.nibbles = type == DType.Q4_0;
    this.rows = rows;
    this.xRowBytes = xRowBytes;
    this.blockBytes = 16 * type.blockBytes();
  }

  /** The code for {@code rows} rows of x, rows {@code xRowBytes} apart, and one panel. */
  static byte[] generate(DType type, int rows, int xRowBytes) {
    if (rows > MAX_ROWS || (type != DType.Q8_0 && type != DType.Q4_0)) {
      throw new IllegalArgumentException(type + ", " + rows + " rows");
    }
    BlockTileCode code = new BlockTileCode(type, rows, xRowBytes);
    code.emit();
    return code.a.bytes();
  }

  private void emit() {
    if (nibbles) {
      a.constant(LOW_NIBBLES, 0x0f0f0f0f);
    }
    FloatTileCode.Panels loop = new FloatTileCode.Panels(a, 1, rows > 1);
    Label nextBlock = new Label();
    for (int m = 0; m < rows; m++) {
      a.v(Op.VPXORD, m, m, m);
    }
    a.mov(RAX, R8);
    a.bind(nextBlock);
    if (rows > 1) {
      FloatTileCode.Panels.prefetch(a);
    }
    block();
    a.addImm(RDI, blockBytes);
    a.addImm(RSI, X_BLOCK_BYTES);
    a.subImm(RAX, 1);
    a.jnz(nextBlock);
    FloatTileCode.Store.emit(a, rows, 1);
    loop.next();
  }

  private void block() {
    a.v(Op.VCVTPH2PS, DW, Mem.at(RDI, 0));
    for (int m = 0; m < rows; m++) {
      a.v(Op.VPBROADCASTD, INT_SUM + m, x(m, 36));
    }
    for (int g = 0; g < (nibbles ? GROUPS / 2 : GROUPS); g++) {
      // Four bytes of all 16 rows: elements 4g … 4g + 3.
      int w = nibbles ? W + 2 * (g % 2) : W + g % 4;
      a.v(Op.VMOVUPS_LOAD, w, Mem.at(RDI, 32 + 64 * g));
      if (nibbles) {
        // As in GGUF the high nibble is the element 16 further on, 4 groups.
        a.shiftRight(w + 1, w, 4);
        a.v(Op.VPANDD, w, w, LOW_NIBBLES);
        a.v(Op.VPANDD, w + 1, w + 1, LOW_NIBBLES);
      }
      dot(w, g);
      if (nibbles) {
        dot(w + 1, g + GROUPS / 2);
      }
    }
    for (int m = 0; m < rows; m++) {
      a.vBroadcast(Op.VMULPS, SCALE + m % 2, DW, x(m, 32));
      a.v(Op.VCVTDQ2PS, INT_SUM + m, INT_SUM + m);
      a.v(Op.VFMADD231PS, m, INT_SUM + m, SCALE + m % 2);
    }
  }

  private void dot(int w, int group) {
    for (int m = 0; m < rows; m++) {
      a.vBroadcast(Op.VPDPBUSD, INT_SUM + m, w, x(m, 4 * group));
    }
  }

  private Mem x(int m, int offset) {
    return Mem.at(RSI, m * xRowBytes + offset);
  }
}
