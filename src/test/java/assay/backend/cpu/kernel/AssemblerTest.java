package assay.backend.cpu.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import assay.backend.cpu.kernel.Assembler.Op;
import assay.model.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Our encodings against those of GNU's assembler: stored ones everywhere, fresh ones where binutils
 * is installed.
 */
class AssemblerTest {
  /** Hexadecimal bytes, a tab, the instruction; written by {@link #main}. */
  private static final Path STORED = Path.of("src/test/resources/assembler/encodings.txt");

  private static final HexFormat HEX = HexFormat.of();

  /** Writes the stored encodings anew with the binutils of this machine. */
  public static void main(String[] args) throws Exception {
    List<String> texts = Encodings.all().stream().map(Encodings.Case::text).toList();
    List<byte[]> bytes = new GnuAssembler(Files.createTempDirectory("encodings")).assemble(texts);
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      lines.add(HEX.formatHex(bytes.get(i)) + "\t" + texts.get(i));
    }
    Files.write(STORED, lines);
  }

  @Test
  void everyEncodingIsTheStoredOne() throws IOException {
    List<String> lines = Files.readAllLines(STORED);
    List<Encodings.Case> cases = Encodings.all();
    List<String> wrong = new ArrayList<>();
    for (int i = 0; i < cases.size(); i++) {
      String ours = HEX.formatHex(cases.get(i).bytes()) + "\t" + cases.get(i).text();
      if (!ours.equals(lines.get(i))) {
        wrong.add(ours + " instead of " + lines.get(i));
      }
    }
    assertEquals(List.of(), wrong);
    assertEquals(lines.size(), cases.size());
  }

  @Test
  void everyVectorInstructionIsAmongThem() {
    List<Encodings.Case> cases = Encodings.all();
    for (Op op : Op.values()) {
      String name = op.name().toLowerCase(Locale.ROOT).replaceAll("_(load|store|gpr)$", "");
      long forms =
          cases.stream().filter(c -> c.text().matches("(\\{evex} )?" + name + " .*")).count();
      assertFalse(forms < 7, op + " in " + forms + " forms");
    }
  }

  @Test
  void theStoredOnesAreThoseOfGnu(@TempDir Path folder) throws Exception {
    List<String> texts = new ArrayList<>();
    List<String> stored = new ArrayList<>();
    for (String line : Files.readAllLines(STORED)) {
      String[] parts = line.split("\t");
      stored.add(parts[0]);
      texts.add(parts[1]);
    }
    List<byte[]> fresh = new GnuAssembler(folder).assemble(texts);
    for (int i = 0; i < texts.size(); i++) {
      assertEquals(stored.get(i), HEX.formatHex(fresh.get(i)), texts.get(i));
    }
  }

  /** Whole kernels, disassembled: no byte that is not an instruction, one return, at the end. */
  @Test
  void wholeKernelsAreInstructions(@TempDir Path folder) throws Exception {
    GnuAssembler gnu = new GnuAssembler(folder);
    for (Map.Entry<String, byte[]> kernel : kernels().entrySet()) {
      List<String> lines = gnu.disassemble(kernel.getValue());
      for (String line : lines) {
        assertFalse(line.contains("(bad)"), kernel.getKey() + ": " + line);
      }
      long returns = lines.stream().filter(line -> line.startsWith("ret")).count();
      assertEquals(1, returns, kernel.getKey());
      assertEquals("ret", lines.getLast().strip(), kernel.getKey());
    }
  }

  private static Map<String, byte[]> kernels() {
    Map<String, byte[]> out = new LinkedHashMap<>();
    for (int rows : new int[] {1, 2, 7, 12}) {
      for (DType type : new DType[] {DType.F32, DType.F16, DType.BF16}) {
        for (int panels = 1; panels <= 2; panels++) {
          String name = type + " " + rows + " x " + panels;
          out.put(name, FloatTileCode.generate(type, rows, panels, 2112));
        }
      }
      for (int panels = 1; panels <= 2; panels++) {
        out.put("dot " + rows + " x " + panels, FloatTileCode.generateDot(rows, panels, 2112));
      }
      for (DType type : new DType[] {DType.Q8_0, DType.Q4_0}) {
        out.put(type + " " + rows, BlockTileCode.generate(type, rows, 1344));
      }
    }
    out.put("halfToFloat", ConvertCode.halfToFloat());
    out.put("floatToHalf", ConvertCode.floatToHalf());
    out.put("bf16ToFloat", ConvertCode.bf16ToFloat());
    out.put("floatToBf16", ConvertCode.floatToBf16());
    out.put("packBf16", ConvertCode.packBf16());
    out.put("quantize", ConvertCode.quantize());
    out.put("add", RowCode.add());
    out.put("scale", RowCode.scale());
    out.put("norm", RowCode.norm(true));
    out.put("rms norm", RowCode.norm(false));
    out.put("rope", RowCode.rope());
    out.put("max", RowCode.max());
    out.put("expMinus", RowCode.expMinus());
    out.put("silu", RowCode.sigmoidTimes(false, true));
    out.put("gelu", RowCode.sigmoidTimes(true, false));
    out.put("scores", RowCode.scores(64));
    out.put("addWeighted", RowCode.addWeighted(64));
    return out;
  }
}
