package assay.backend.cpu.kernel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Writes x86-64 machine code: the few general instructions and the AVX-512 ones that the kernels
 * use, encoded as in Intel's Software Developer's Manual, volume 2, sections 2.1 and 2.7. Registers
 * are numbers: 0–15 for the general ones ({@link #RAX} …), 0–31 for zmm.
 */
final class Assembler {
  static final int RAX = 0;
  static final int RCX = 1;
  static final int RDX = 2;
  static final int RBX = 3;
  static final int RSP = 4;
  static final int RBP = 5;
  static final int RSI = 6;
  static final int RDI = 7;
  static final int R8 = 8;
  static final int R9 = 9;
  static final int R10 = 10;
  static final int R11 = 11;
  static final int R12 = 12;
  static final int R13 = 13;
  static final int R14 = 14;
  static final int R15 = 15;

  /** A place in memory: base + index·scale + disp; index −1 for none. */
  record Mem(int base, int index, int scale, int disp) {
    static Mem at(int base, int disp) {
      return new Mem(base, -1, 1, disp);
    }

    Mem plus(int bytes) {
      return new Mem(base, index, scale, disp + bytes);
    }
  }

  /** A jump target. */
  static final class Label {
    private int position = -1;
    private final List<Integer> uses = new ArrayList<>();
  }

  /**
   * AVX-512 instructions: opcode map, mandatory prefix, W bit, opcode, and the bytes that one
   * memory operand takes (for the short displacement).
   */
  enum Op {
    VMOVUPS_LOAD(1, 0, 0, 0x10, 64),
    VMOVUPS_STORE(1, 0, 0, 0x11, 64),
    VMOVSS_STORE(1, 2, 0, 0x11, 4),
    VBROADCASTSS(2, 1, 0, 0x18, 4),
    VPBROADCASTD(2, 1, 0, 0x58, 4),
    VPBROADCASTD_GPR(2, 1, 0, 0x7C, 4),
    VADDPS(1, 0, 0, 0x58, 64),
    VMULPS(1, 0, 0, 0x59, 64),
    VDIVPS(1, 0, 0, 0x5E, 64),
    VFMADD231PS(2, 1, 0, 0xB8, 64),
    VDPBF16PS(2, 2, 0, 0x52, 64),
    VCVTNE2PS2BF16(2, 3, 0, 0x72, 64),
    VPDPBUSD(2, 1, 0, 0x50, 64),
    VPXORD(1, 1, 0, 0xEF, 64),
    VPANDD(1, 1, 0, 0xDB, 64),
    VPORD(1, 1, 0, 0xEB, 64),
    VPADDD(1, 1, 0, 0xFE, 64),
    VPMULLD(2, 1, 0, 0x40, 64),
    VPMAXSD(2, 1, 0, 0x3D, 64),
    VSHUFI32X4(3, 1, 0, 0x43, 64),
    VPSHUFD(1, 1, 0, 0x70, 64),
    VCVTDQ2PS(1, 0, 0, 0x5B, 64),
    VCVTPS2DQ(1, 1, 0, 0x5B, 64),
    VCVTPH2PS(2, 1, 0, 0x13, 32),
    VCVTPS2PH_STORE(3, 1, 0, 0x1D, 32),
    VPMOVZXWD(2, 1, 0, 0x33, 32),
    VPMOVDW_STORE(2, 2, 0, 0x33, 32),
    VPMOVSDB_STORE(2, 2, 0, 0x21, 16),
    VSUBPS(1, 0, 0, 0x5C, 64),
    VMINPS(1, 0, 0, 0x5D, 64),
    VMAXPS(1, 0, 0, 0x5F, 64),
    VSQRTPS(1, 0, 0, 0x51, 64),
    VCMPPS(1, 0, 0, 0xC2, 64),
    VFMADD213PS(2, 1, 0, 0xA8, 64),
    VFNMADD231PS(2, 1, 0, 0xBC, 64),
    VRNDSCALEPS(3, 1, 0, 0x08, 64),
    VSCALEFPS(2, 1, 0, 0x2C, 64);

    final int map;
    final int prefix;
    final int w;
    final int opcode;
    final int memoryBytes;

    Op(int map, int prefix, int w, int opcode, int memoryBytes) {
      this.map = map;
      this.prefix = prefix;
      this.w = w;
      this.opcode = opcode;
      this.memoryBytes = memoryBytes;
    }
  }

  private byte[] code = new byte[4096];
  private int size;

  byte[] bytes() {
    return Arrays.copyOf(code, size);
  }

  int size() {
    return size;
  }

  private void emit(int b) {
    if (size == code.length) {
      code = Arrays.copyOf(code, 2 * size);
    }
    code[size++] = (byte) b;
  }

  private void emit32(int v) {
    for (int i = 0; i < 4; i++) {
      emit(v >>> (8 * i));
    }
  }

  // ---- general instructions, 64 bit ----

  private void rex(int reg, int index, int base) {
    emit(0x48 | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1));
  }

  private void registerForm(int opcode, int reg, int rm) {
    rex(reg, 0, rm);
    emit(opcode);
    emit(0xC0 | (reg & 7) << 3 | (rm & 7));
  }

  private void memoryForm(int opcode, int reg, Mem m) {
    rex(reg, Math.max(m.index, 0), m.base);
    emit(opcode);
    modRm(reg, m, 1);
  }

  void mov(int dst, int src) {
    registerForm(0x89, src, dst);
  }

  void movImm(int dst, int value) {
    rex(0, 0, dst);
    emit(0xC7);
    emit(0xC0 | (dst & 7));
    emit32(value);
  }

  void load(int dst, Mem m) {
    memoryForm(0x8B, dst, m);
  }

  void store(Mem m, int src) {
    memoryForm(0x89, src, m);
  }

  void lea(int dst, Mem m) {
    memoryForm(0x8D, dst, m);
  }

  void add(int dst, int src) {
    registerForm(0x01, src, dst);
  }

  void sub(int dst, int src) {
    registerForm(0x29, src, dst);
  }

  void addImm(int dst, int value) {
    rex(0, 0, dst);
    emit(0x81);
    emit(0xC0 | (dst & 7));
    emit32(value);
  }

  void subImm(int dst, int value) {
    rex(0, 0, dst);
    emit(0x81);
    emit(0xE8 | (dst & 7));
    emit32(value);
  }

  void cmpImm(int dst, int value) {
    rex(0, 0, dst);
    emit(0x81);
    emit(0xF8 | (dst & 7));
    emit32(value);
  }

  void test(int a, int b) {
    registerForm(0x85, b, a);
  }

  void push(int reg) {
    if (reg >= 8) {
      emit(0x41);
    }
    emit(0x50 | (reg & 7));
  }

  void pop(int reg) {
    if (reg >= 8) {
      emit(0x41);
    }
    emit(0x58 | (reg & 7));
  }

  void ret() {
    emit(0xC3);
  }

  /**
   * Asks for a cache line to be brought to the L2 cache; an address that does not exist is fine.
   */
  void prefetchL2(Mem m) {
    int high = (Math.max(m.index, 0) >> 3 & 1) << 1 | (m.base >> 3 & 1);
    if (high != 0) {
      emit(0x40 | high);
    }
    emit(0x0F);
    emit(0x18);
    modRm(2, m, 1);
  }

  void vzeroupper() {
    emit(0xC5);
    emit(0xF8);
    emit(0x77);
  }

  // ---- jumps ----

  void bind(Label label) {
    label.position = size;
    for (int use : label.uses) {
      patch(use, size);
    }
  }

  private void patch(int use, int target) {
    int relative = target - (use + 4);
    for (int i = 0; i < 4; i++) {
      code[use + i] = (byte) (relative >>> (8 * i));
    }
  }

  private void target(Label label) {
    int use = size;
    emit32(0);
    if (label.position >= 0) {
      patch(use, label.position);
    } else {
      label.uses.add(use);
    }
  }

  void jmp(Label label) {
    emit(0xE9);
    target(label);
  }

  void jz(Label label) {
    emit(0x0F);
    emit(0x84);
    target(label);
  }

  void jnz(Label label) {
    emit(0x0F);
    emit(0x85);
    target(label);
  }

  /** Signed greater. */
  void jg(Label label) {
    emit(0x0F);
    emit(0x8F);
    target(label);
  }

  /** Signed greater or equal. */
  void jge(Label label) {
    emit(0x0F);
    emit(0x8D);
    target(label);
  }

  /** Signed less. */
  void jl(Label label) {
    emit(0x0F);
    emit(0x8C);
    target(label);
  }

  // ---- vectors, 512 bit ----

  private int mask;
  private boolean zeroing;

  /**
   * The next vector instruction writes only the lanes that k{@code k} has; the others become zero
   * or stay as they are.
   */
  Assembler masked(int k, boolean zeroing) {
    this.mask = k;
    this.zeroing = zeroing;
    return this;
  }

  /** k{@code dst} = k{@code a} | k{@code b}. */
  void kor(int dst, int a, int b) {
    maskOp(0x45, dst, a, b);
  }

  /** k{@code dst} = 0. */
  void kclear(int dst) {
    maskOp(0x47, dst, dst, dst);
  }

  private void maskOp(int opcode, int dst, int a, int b) {
    emit(0xC5);
    emit(0x84 | (~a & 15) << 3);
    emit(opcode);
    emit(0xC0 | dst << 3 | b);
  }

  /** A general register below r8 = k{@code k}. */
  void kmovFrom(int dst, int k) {
    emit(0xC5);
    emit(0xF8);
    emit(0x93);
    emit(0xC0 | dst << 3 | k);
  }

  /** k = the low 16 bits of a general register. */
  void kmov(int k, int src) {
    if (src < 8) {
      emit(0xC5);
      emit(0xF8);
    } else {
      emit(0xC4);
      emit(0xC1);
      emit(0x78);
    }
    emit(0x92);
    emit(0xC0 | k << 3 | (src & 7));
  }

  /** op dst, a, b on registers. */
  void v(Op op, int dst, int a, int b) {
    evex(op, dst, a, b >> 3 & 1, b >> 4 & 1, false);
    emit(0xC0 | (dst & 7) << 3 | (b & 7));
  }

  /** op dst, a, [m]. */
  void v(Op op, int dst, int a, Mem m) {
    evex(op, dst, a, m.base >> 3 & 1, Math.max(m.index, 0) >> 3 & 1, false);
    modRm(dst, m, op.memoryBytes);
  }

  /** op dst, a, [m] with one 32-bit element repeated in all lanes. */
  void vBroadcast(Op op, int dst, int a, Mem m) {
    evex(op, dst, a, m.base >> 3 & 1, Math.max(m.index, 0) >> 3 & 1, true);
    modRm(dst, m, 4);
  }

  /** One source: op dst, b. */
  void v(Op op, int dst, int b) {
    v(op, dst, 0, b);
  }

  void v(Op op, int dst, Mem m) {
    v(op, dst, 0, m);
  }

  /** op dst, a, b, imm8. */
  void v(Op op, int dst, int a, int b, int immediate) {
    v(op, dst, a, b);
    emit(immediate);
  }

  /** op dst, a, [m], imm8. */
  void v(Op op, int dst, int a, Mem m, int immediate) {
    v(op, dst, a, m);
    emit(immediate);
  }

  /** The same 32 bits in all lanes; uses eax. */
  void constant(int dst, int bits) {
    movImm(RAX, bits);
    v(Op.VPBROADCASTD_GPR, dst, RAX);
  }

  /** Combines all 16 lanes with an associative operation; every lane gets the result. */
  void acrossLanes(Op op, int register, int scratch) {
    v(Op.VSHUFI32X4, scratch, register, register, 0b01_00_11_10);
    v(op, register, register, scratch);
    v(Op.VSHUFI32X4, scratch, register, register, 0b10_11_00_01);
    v(op, register, register, scratch);
    v(Op.VPSHUFD, scratch, 0, register, 0b01_00_11_10);
    v(op, register, register, scratch);
    v(Op.VPSHUFD, scratch, 0, register, 0b10_11_00_01);
    v(op, register, register, scratch);
  }

  /** dst = src << bits in each 32-bit lane. */
  void shiftLeft(int dst, int src, int bits) {
    shift(dst, src, bits, 6);
  }

  /** dst = src >>> bits in each 32-bit lane. */
  void shiftRight(int dst, int src, int bits) {
    shift(dst, src, bits, 2);
  }

  private void shift(int dst, int src, int bits, int extension) {
    prefix(1, 1, 0, 0, dst, src >> 3 & 1, src >> 4 & 1, false);
    emit(0x72);
    emit(0xC0 | extension << 3 | (src & 7));
    emit(bits);
  }

  private void evex(Op op, int reg, int vvvv, int b, int x, boolean broadcast) {
    prefix(op.map, op.prefix, op.w, reg, vvvv, b, x, broadcast);
    emit(op.opcode);
  }

  private void prefix(int map, int pp, int w, int reg, int vvvv, int b, int x, boolean broadcast) {
    emit(0x62);
    emit((~reg >> 3 & 1) << 7 | (~x & 1) << 6 | (~b & 1) << 5 | (~reg >> 4 & 1) << 4 | map);
    emit(w << 7 | (~vvvv & 15) << 3 | 1 << 2 | pp);
    emit((zeroing ? 1 << 7 : 0) | 2 << 5 | (broadcast ? 1 << 4 : 0) | (~vvvv >> 4 & 1) << 3 | mask);
    mask = 0;
    zeroing = false;
  }

  /** ModRM, SIB and displacement; {@code unit} is what a one-byte displacement counts in. */
  private void modRm(int reg, Mem m, int unit) {
    boolean sib = m.index >= 0 || (m.base & 7) == RSP;
    int mod;
    if (m.disp == 0 && (m.base & 7) != RBP) {
      mod = 0;
    } else if (m.disp % unit == 0 && m.disp / unit >= -128 && m.disp / unit <= 127) {
      mod = 1;
    } else {
      mod = 2;
    }
    emit(mod << 6 | (reg & 7) << 3 | (sib ? 4 : m.base & 7));
    if (sib) {
      int index = m.index >= 0 ? m.index & 7 : 4;
      if (m.index == RSP) {
        throw new IllegalArgumentException("rsp cannot be an index");
      }
      emit(Integer.numberOfTrailingZeros(m.scale) << 6 | index << 3 | (m.base & 7));
    }
    if (mod == 1) {
      emit(m.disp / unit);
    } else if (mod == 2) {
      emit32(m.disp);
    }
  }
}
