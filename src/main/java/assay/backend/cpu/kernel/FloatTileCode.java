package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.Assembler.R10;
import static assay.backend.cpu.kernel.Assembler.R11;
import static assay.backend.cpu.kernel.Assembler.R12;
import static assay.backend.cpu.kernel.Assembler.R8;
import static assay.backend.cpu.kernel.Assembler.R9;
import static assay.backend.cpu.kernel.Assembler.RAX;
import static assay.backend.cpu.kernel.Assembler.RBX;
import static assay.backend.cpu.kernel.Assembler.RCX;
import static assay.backend.cpu.kernel.Assembler.RDI;
import static assay.backend.cpu.kernel.Assembler.RDX;
import static assay.backend.cpu.kernel.Assembler.RSI;
import static assay.backend.cpu.kernel.Assembler.RSP;

import assay.backend.cpu.kernel.Assembler.Label;
import assay.backend.cpu.kernel.Assembler.Mem;
import assay.backend.cpu.kernel.Assembler.Op;
import assay.model.DType;

/**
 * Machine code for C[m][16n + lane] (+)= Σ_k x[m][k] · w[n][k][lane], m &lt; rows, n &lt; panels:
 * fp32 x, and fp32, fp16 or bf16 weights in panels of 16 rows ({@code PanelLayout}), widened to
 * fp32 exactly; or x and weights both bf16, two k at a time (vdpbf16ps). All of C's tile stays in
 * registers: per k one load per panel, one broadcast per row, rows·panels FMAs.
 *
 * <p>Arguments: rdi w, rsi x, rdx C, rcx bytes between rows of C, r8 number of k, r9 bytes from
 * panel to panel; on the stack: how many groups of {@code panels} panels to do one after the other,
 * whether C is added to, an address from which memory is prefetched during the first group, and by
 * how much that moves for each further group. Rows of x lie a constant distance apart, baked into
 * the code, so that one register addresses them all.
 *
 * <p>Traffic: a tile of 12 × 32 loads 14 vectors for 24 FMAs; the loads hide behind them. Rejected:
 * the broadcast as the FMA's own memory operand with two panels (it loads each x twice). Weights
 * come from memory only for the first rows that meet them, which would then wait for it (5 % of a
 * product of 128 rows); so each turn of the loop prefetches one line of the weights that come next.
 */
final class FloatTileCode {
  /** Steps of k per turn of the loop. */
  private static final int UNROLL = 4;

  private static final int ACCUMULATORS = 24;
  private static final int W = 24;
  private static final int X = 28;
  private static final int HIGH_HALVES = 31;

  private final Assembler a = new Assembler();
  private final DType type;
  private final int rows;
  private final int panels;
  private final int xRowBytes;

  /** Whether x is bf16 like the weights, for vdpbf16ps. */
  private final boolean dot;

  /** Elements of k that one step consumes; bf16 comes in pairs. */
  private final int stepK;

  private final int stepBytes;

  /**
   * Independent sets of sums, so that a small tile still has enough chains to hide the FMA's
   * latency.
   */
  private final int sets;

  private FloatTileCode(DType type, boolean dot, int rows, int panels, int xRowBytes) {
    this.type = type;
    this.dot = dot;
    this.rows = rows;
    this.panels = panels;
    this.xRowBytes = xRowBytes;
    this.stepK = type == DType.BF16 ? 2 : 1;
    this.stepBytes = type == DType.F16 ? 32 : 64;
    int n = 1;
    while (n < UNROLL && 2 * n * rows * panels <= ACCUMULATORS) {
      n *= 2;
    }
    this.sets = n;
  }

  /** The code for tiles of {@code rows} × {@code panels}, at most 24 in product and 2 panels. */
  static byte[] generate(DType type, int rows, int panels, int xRowBytes) {
    return generate(type, false, rows, panels, xRowBytes);
  }

  /** The same for bf16 weights and x of bf16; an odd number of k has a zero behind its last x. */
  static byte[] generateDot(int rows, int panels, int xRowBytes) {
    return generate(DType.BF16, true, rows, panels, xRowBytes);
  }

  private static byte[] generate(DType type, boolean dot, int rows, int panels, int xRowBytes) {
    if (rows * panels > ACCUMULATORS || panels > 2) {
      throw new IllegalArgumentException(rows + " x " + panels + " do not fit the registers");
    }
    FloatTileCode code = new FloatTileCode(type, dot, rows, panels, xRowBytes);
    code.emit();
    return code.a.bytes();
  }

  private int sum(int set, int m, int n) {
    return (set * rows + m) * panels + n;
  }

  private Mem w(int n, int disp) {
    return n == 0 ? Mem.at(RDI, disp) : new Mem(RDI, R9, 1, disp);
  }

  private void emit() {
    if (type == DType.BF16 && !dot) {
      a.constant(HIGH_HALVES, 0xffff0000);
    }
    Panels loop = new Panels(a, panels, rows > 1);
    for (int i = 0; i < sets * rows * panels; i++) {
      a.v(Op.VPXORD, i, i, i);
    }
    loopOverK();
    for (int half = sets / 2; half > 0; half /= 2) {
      for (int i = 0; i < half * rows * panels; i++) {
        a.v(Op.VADDPS, i, i, i + half * rows * panels);
      }
    }
    Store.emit(a, rows, panels);
    loop.next();
  }

  /** On entry and exit rdi and rsi point at what comes next; rax counts k. */
  private void loopOverK() {
    Label loop = new Label();
    Label rest = new Label();
    Label single = new Label();
    Label done = new Label();
    a.mov(RAX, R8);
    a.subImm(RAX, UNROLL * stepK);
    a.jl(rest);
    a.bind(loop);
    if (rows > 1) {
      Panels.prefetch(a);
    }
    for (int u = 0; u < UNROLL; u++) {
      step(u % sets, u);
    }
    advance(UNROLL);
    a.subImm(RAX, UNROLL * stepK);
    a.jge(loop);
    a.bind(rest);
    a.addImm(RAX, (UNROLL - 1) * stepK);
    a.jl(done);
    a.bind(single);
    step(0, 0);
    advance(1);
    a.subImm(RAX, stepK);
    a.jge(single);
    a.bind(done);
    if (type == DType.BF16) {
      lastOddK();
    }
  }

  private void advance(int steps) {
    a.addImm(RDI, steps * stepBytes);
    a.addImm(RSI, steps * stepK * xBytes());
  }

  private int xBytes() {
    return dot ? Short.BYTES : Float.BYTES;
  }

  private void step(int set, int u) {
    int at = u * stepBytes;
    int x = u * stepK * xBytes();
    if (type == DType.BF16 && !dot) {
      // A lane holds k in its low and k + 1 in its high half.
      for (int n = 0; n < panels; n++) {
        a.v(Op.VMOVUPS_LOAD, W + 2 + n, w(n, at));
        a.shiftLeft(W + n, W + 2 + n, 16);
      }
      multiply(set, W, x);
      for (int n = 0; n < panels; n++) {
        a.v(Op.VPANDD, W + 2 + n, W + 2 + n, HIGH_HALVES);
      }
      multiply(set, W + 2, x + Float.BYTES);
    } else {
      for (int n = 0; n < panels; n++) {
        a.v(type == DType.F16 ? Op.VCVTPH2PS : Op.VMOVUPS_LOAD, W + n, w(n, at));
      }
      multiply(set, W, x);
    }
  }

  private void multiply(int set, int w, int xOffset) {
    Op multiplyAdd = dot ? Op.VDPBF16PS : Op.VFMADD231PS;
    for (int m = 0; m < rows; m++) {
      Mem x = Mem.at(RSI, m * xRowBytes + xOffset);
      if (panels == 1) {
        a.vBroadcast(multiplyAdd, sum(set, m, 0), w, x);
        continue;
      }
      int register = X + m % 3;
      a.v(Op.VBROADCASTSS, register, x);
      for (int n = 0; n < panels; n++) {
        a.v(multiplyAdd, sum(set, m, n), w + n, register);
      }
    }
  }

  /**
   * An odd number of bf16: the last k stands alone, 16 halves. Here rax is −2 if nothing is left,
   * −1 if one is.
   */
  private void lastOddK() {
    Label even = new Label();
    a.addImm(RAX, 2);
    a.jz(even);
    for (int n = 0; n < panels; n++) {
      a.v(Op.VPMOVZXWD, W + n, w(n, 0));
      if (!dot) {
        a.shiftLeft(W + n, W + n, 16);
      }
    }
    multiply(0, W, 0);
    a.addImm(RDI, 32);
    a.bind(even);
  }

  /** The loop over groups of panels that all tile codes share. */
  static final class Panels {
    // Arguments on the stack, above two saved registers and the return address.
    private static final int GROUPS = 24;
    private static final int ACCUMULATE = 32;
    private static final int PREFETCH = 40;
    private static final int PREFETCH_STRIDE = 48;
    private static final int LINE = 64;

    private final Assembler a;
    private final int panels;
    private final boolean prefetches;
    private final Label start = new Label();

    /** Begins it: rdi and rsi point at a group's weights and at x. */
    Panels(Assembler a, int panels, boolean prefetches) {
      this.a = a;
      this.panels = panels;
      this.prefetches = prefetches;
      a.push(RBX);
      a.push(R12);
      a.load(R10, Mem.at(RSP, GROUPS));
      a.mov(R11, RSI);
      a.mov(RBX, RDI);
      a.bind(start);
      a.mov(RDI, RBX);
      a.mov(RSI, R11);
      if (prefetches) {
        a.load(R12, Mem.at(RSP, PREFETCH));
      }
    }

    /** Prefetches one more line. */
    static void prefetch(Assembler a) {
      a.prefetchL2(Mem.at(R12, 0));
      a.addImm(R12, LINE);
    }

    /** Ends it, and the code. */
    void next() {
      if (prefetches) {
        a.load(RAX, Mem.at(RSP, PREFETCH));
        a.load(R12, Mem.at(RSP, PREFETCH_STRIDE));
        a.add(RAX, R12);
        a.store(Mem.at(RSP, PREFETCH), RAX);
      }
      a.lea(RBX, new Mem(RBX, R9, panels, 0));
      a.subImm(R10, 1);
      a.jnz(start);
      a.pop(R12);
      a.pop(RBX);
      a.vzeroupper();
      a.ret();
    }
  }

  /**
   * The end that all tile codes share: sums 0 … rows·panels − 1 go to C at rdx, rows rcx apart,
   * added to it where the second stack argument says so.
   */
  static final class Store {
    private Store() {}

    static void emit(Assembler a, int rows, int panels) {
      Label store = new Label();
      a.load(RAX, Mem.at(RSP, Panels.ACCUMULATE));
      a.test(RAX, RAX);
      a.mov(RAX, RDX);
      a.jz(store);
      for (int i = 0; i < rows * panels; i++) {
        a.v(Op.VADDPS, i, i, Mem.at(RAX, 64 * (i % panels)));
        nextRow(a, i, panels);
      }
      a.mov(RAX, RDX);
      a.bind(store);
      for (int i = 0; i < rows * panels; i++) {
        a.v(Op.VMOVUPS_STORE, i, Mem.at(RAX, 64 * (i % panels)));
        nextRow(a, i, panels);
      }
      a.addImm(RDX, 64 * panels);
    }

    private static void nextRow(Assembler a, int i, int panels) {
      if (i % panels == panels - 1) {
        a.add(RAX, RCX);
      }
    }
  }
}
