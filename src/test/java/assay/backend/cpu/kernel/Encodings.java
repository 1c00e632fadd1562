package assay.backend.cpu.kernel;

import assay.backend.cpu.kernel.Assembler.Mem;
import assay.backend.cpu.kernel.Assembler.Op;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

/**
 * Every instruction that {@link Assembler} can write, in every form of operands that changes its
 * encoding, with the same instruction in GNU assembler's AT&T syntax.
 */
final class Encodings {
  private static final String[] GENERAL = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15"
  };

  /** Registers on both sides of each bit that is stored apart. */
  private static final int[][] VECTORS = {
    {0, 1, 2}, {7, 8, 15}, {8, 16, 7}, {15, 23, 16}, {16, 24, 31}, {31, 31, 31}, {24, 0, 8}
  };

  /** An instruction for GNU's assembler and for ours. */
  record Case(String text, Consumer<Assembler> emit) {
    byte[] bytes() {
      Assembler a = new Assembler();
      emit.accept(a);
      return a.bytes();
    }
  }

  private final List<Case> cases = new ArrayList<>();

  private Encodings() {}

  static List<Case> all() {
    Encodings e = new Encodings();
    e.general();
    e.jumps();
    e.masks();
    for (Op op : Op.values()) {
      e.vector(op);
    }
    e.shifts();
    e.maskedVectors();
    return e.cases;
  }

  private void add(String text, Consumer<Assembler> emit) {
    cases.add(new Case(text, emit));
  }

  private static String r(int register) {
    return "%" + GENERAL[register];
  }

  private static String r32(int register) {
    return register >= 8 ? r(register) + "d" : "%e" + GENERAL[register].substring(1);
  }

  private static String z(int register) {
    return "%zmm" + register;
  }

  private static String m(Mem m) {
    String disp = m.disp() == 0 ? "" : Integer.toString(m.disp());
    String index = m.index() < 0 ? "" : "," + r(m.index()) + "," + m.scale();
    return disp + "(" + r(m.base()) + index + ")";
  }

  /**
   * Memory operands: bases that need a SIB byte or a displacement, indices, and displacements
   * around what one byte holds when it counts in {@code unit}.
   */
  private static List<Mem> memory(int unit) {
    List<Mem> out = new ArrayList<>();
    for (int base : new int[] {0, 4, 5, 7, 8, 12, 13, 15}) {
      out.add(Mem.at(base, 0));
      out.add(Mem.at(base, unit));
      out.add(new Mem(base, 9, 1, 0));
    }
    for (int disp : new int[] {1, -unit, 127 * unit, 128 * unit, -128 * unit, -129 * unit, 65536}) {
      out.add(Mem.at(Assembler.RSI, disp));
    }
    for (int index : new int[] {0, 5, 8, 12, 15}) {
      out.add(new Mem(Assembler.RDI, index, 1 << (index & 3), 3 * unit));
    }
    return out;
  }

  // ---- general

  private void general() {
    for (int dst : new int[] {0, 3, 7, 8, 15}) {
      for (int src : new int[] {1, 6, 9, 14}) {
        String operands = r(src) + "," + r(dst);
        add("mov " + operands, a -> a.mov(dst, src));
        add("add " + operands, a -> a.add(dst, src));
        add("sub " + operands, a -> a.sub(dst, src));
        add("test " + operands, a -> a.test(dst, src));
      }
      add("push " + r(dst), a -> a.push(dst));
      add("pop " + r(dst), a -> a.pop(dst));
      for (Mem m : memory(1)) {
        add("mov " + m(m) + "," + r(dst), a -> a.load(dst, m));
        add("mov " + r(dst) + "," + m(m), a -> a.store(m, dst));
        add("lea " + m(m) + "," + r(dst), a -> a.lea(dst, m));
      }
    }
    // Values that GNU's assembler has no shorter form for, and never rax, for which it has its own.
    for (int dst : new int[] {1, 5, 8, 13}) {
      for (int value : new int[] {128, -129, 0x7fffffff, Integer.MIN_VALUE}) {
        String operands = "$" + value + "," + r(dst);
        add("movq " + operands, a -> a.movImm(dst, value));
        add("add " + operands, a -> a.addImm(dst, value));
        add("sub " + operands, a -> a.subImm(dst, value));
        add("cmp " + operands, a -> a.cmpImm(dst, value));
      }
    }
    for (Mem m : memory(1)) {
      add("prefetcht1 " + m(m), a -> a.prefetchL2(m));
    }
    add("ret", Assembler::ret);
    add("vzeroupper", Assembler::vzeroupper);
  }

  /** Forwards over a return and backwards over one; {@code .} is where the instruction begins. */
  private void jumps() {
    jump("jmp", Assembler::jmp, 5);
    jump("jz", Assembler::jz, 6);
    jump("jnz", Assembler::jnz, 6);
    jump("jg", Assembler::jg, 6);
    jump("jge", Assembler::jge, 6);
    jump("jl", Assembler::jl, 6);
  }

  private interface Jump {
    void to(Assembler a, Assembler.Label label);
  }

  private void jump(String name, Jump jump, int bytes) {
    add(
        "{disp32} %s .+%d; ret".formatted(name, bytes + 1),
        a -> {
          Assembler.Label label = new Assembler.Label();
          jump.to(a, label);
          a.ret();
          a.bind(label);
        });
    add(
        "ret; {disp32} %s .-1".formatted(name),
        a -> {
          Assembler.Label label = new Assembler.Label();
          a.bind(label);
          a.ret();
          jump.to(a, label);
        });
  }

  private void masks() {
    for (int k : new int[] {1, 3, 7}) {
      for (int other : new int[] {1, 2, 6}) {
        add(
            "korw %%k%d,%%k%d,%%k%d".formatted(other, k, k), // dst is the last
            a -> a.kor(k, k, other));
      }
      add("kxorw %%k%d,%%k%d,%%k%d".formatted(k, k, k), a -> a.kclear(k));
      for (int register : new int[] {0, 2, 7}) {
        add("kmovw %%k%d,%s".formatted(k, r32(register)), a -> a.kmovFrom(register, k));
      }
      for (int register : new int[] {0, 7, 8, 13}) {
        add("kmovw %s,%%k%d".formatted(r32(register), k), a -> a.kmov(k, register));
      }
    }
  }

  // ---- vectors

  private void vector(Op op) {
    String name = op.name().toLowerCase(Locale.ROOT).replaceAll("_(load|store|gpr)$", "");
    switch (op) {
      case VMOVUPS_LOAD -> {
        registers(op, name, "");
        loads(op, name);
      }
      case VBROADCASTSS, VPBROADCASTD -> {
        for (int[] r : VECTORS) {
          add("%s %%xmm%d,%s".formatted(name, r[2], z(r[0])), a -> a.v(op, r[0], r[2]));
        }
        loads(op, name);
      }
      case VCVTPH2PS, VPMOVZXWD -> loads(op, name);
      case VPBROADCASTD_GPR -> {
        for (int register : new int[] {0, 1, 7, 8, 15}) {
          for (int dst : new int[] {0, 8, 16, 31}) {
            String operands = r32(register) + "," + z(dst);
            add(name + " " + operands, a -> a.v(op, dst, register));
          }
        }
      }
      case VMOVUPS_STORE, VPMOVDW_STORE, VPMOVSDB_STORE -> stores(op, name, "%zmm", "");
      case VMOVSS_STORE -> stores(op, "{evex} " + name, "%xmm", "");
      case VCVTPS2PH_STORE -> stores(op, name, "%zmm", "$3,");
      case VCVTDQ2PS, VCVTPS2DQ, VSQRTPS -> {
        registers(op, name, "");
        loads(op, name);
        broadcasts(op, name, false);
      }
      case VPSHUFD, VRNDSCALEPS -> {
        registers(op, name, "$27,");
        for (Mem m : memory(op.memoryBytes)) {
          add("%s $9,%s,%%zmm3".formatted(name, m(m)), a -> a.v(op, 3, 0, m, 9));
        }
      }
      case VSHUFI32X4 -> binary(op, name, 78);
      case VCMPPS -> {
        for (int[] r : VECTORS) {
          String operands = "%s,%s,%%k%d".formatted(z(r[2]), z(r[1]), r[0] & 7);
          add(name + " $3," + operands, a -> a.v(op, r[0] & 7, r[1], r[2], 3));
        }
      }
      default -> {
        binary(op, name, -1);
        broadcasts(op, name, true);
      }
    }
  }

  private void registers(Op op, String name, String immediate) {
    for (int[] r : VECTORS) {
      String text = "%s %s%s,%s".formatted(name, immediate, z(r[2]), z(r[0]));
      if (immediate.isEmpty()) {
        add(text, a -> a.v(op, r[0], r[2]));
      } else {
        add(text, a -> a.v(op, r[0], 0, r[2], 27));
      }
    }
  }

  private void loads(Op op, String name) {
    for (int dst : new int[] {0, 9, 20, 31}) {
      for (Mem m : memory(op.memoryBytes)) {
        add("%s %s,%s".formatted(name, m(m), z(dst)), a -> a.v(op, dst, m));
      }
    }
  }

  private void stores(Op op, String name, String register, String immediate) {
    for (int src : new int[] {0, 9, 20, 31}) {
      for (Mem m : memory(op.memoryBytes)) {
        String text = "%s %s%s%d,%s".formatted(name, immediate, register, src, m(m));
        if (immediate.isEmpty()) {
          add(text, a -> a.v(op, src, m));
        } else {
          add(text, a -> a.v(op, src, 0, m, 3));
        }
      }
    }
  }

  private void binary(Op op, String name, int immediate) {
    String prefix = immediate < 0 ? "" : "$" + immediate + ",";
    for (int[] r : VECTORS) {
      String text = "%s %s%s,%s,%s".formatted(name, prefix, z(r[2]), z(r[1]), z(r[0]));
      if (immediate < 0) {
        add(text, a -> a.v(op, r[0], r[1], r[2]));
      } else {
        add(text, a -> a.v(op, r[0], r[1], r[2], immediate));
      }
    }
    if (immediate < 0) {
      for (Mem m : memory(op.memoryBytes)) {
        add("%s %s,%%zmm17,%%zmm30".formatted(name, m(m)), a -> a.v(op, 30, 17, m));
      }
    }
  }

  private void broadcasts(Op op, String name, boolean binary) {
    for (Mem m : memory(4)) {
      String second = binary ? ",%zmm9" : "";
      add(
          "%s %s{1to16}%s,%%zmm21".formatted(name, m(m), second),
          a -> a.vBroadcast(op, 21, binary ? 9 : 0, m));
    }
  }

  private void shifts() {
    for (int[] r : VECTORS) {
      add("vpslld $16,%s,%s".formatted(z(r[2]), z(r[0])), a -> a.shiftLeft(r[0], r[2], 16));
      add("vpsrld $4,%s,%s".formatted(z(r[2]), z(r[0])), a -> a.shiftRight(r[0], r[2], 4));
    }
  }

  private void maskedVectors() {
    Mem m = Mem.at(Assembler.RDI, 128);
    for (int k : new int[] {1, 7}) {
      for (boolean zeroing : new boolean[] {false, true}) {
        String mask = "{%k" + k + "}" + (zeroing ? "{z}" : "");
        add("vmovups 128(%rdi),%zmm18" + mask, a -> a.masked(k, zeroing).v(Op.VMOVUPS_LOAD, 18, m));
        add("vaddps %zmm3,%zmm2,%zmm1" + mask, a -> a.masked(k, zeroing).v(Op.VADDPS, 1, 2, 3));
      }
      add(
          "vmovups %zmm18,128(%rdi){%k" + k + "}",
          a -> a.masked(k, false).v(Op.VMOVUPS_STORE, 18, m));
    }
    // Only the next instruction is masked.
    add(
        "vaddps %zmm3,%zmm2,%zmm1{%k2}; vaddps %zmm3,%zmm2,%zmm1",
        a -> {
          a.masked(2, false).v(Op.VADDPS, 1, 2, 3);
          a.v(Op.VADDPS, 1, 2, 3);
        });
  }
}
