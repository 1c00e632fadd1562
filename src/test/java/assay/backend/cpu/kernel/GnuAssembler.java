package assay.backend.cpu.kernel;

import assay.testing.Requires;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Binutils on this machine, the judge of our own assembler. */
final class GnuAssembler {
  private final Path folder;

  GnuAssembler(Path folder) {
    this.folder = folder;
  }

  /** The bytes of each line. */
  List<byte[]> assemble(List<String> lines) throws IOException, InterruptedException {
    StringBuilder source = new StringBuilder(".text\n.Lline0:\n");
    for (int i = 0; i < lines.size(); i++) {
      // A dot is the place of its own instruction; each line ends in a label.
      source.append(lines.get(i)).append("\n.Lline").append(i + 1).append(":\n");
    }
    source.append(".section .ends,\"a\"\n");
    for (int i = 1; i <= lines.size(); i++) {
      source.append(".long .Lline").append(i).append(" - .Lline0\n");
    }
    Path s = Files.writeString(folder.resolve("all.s"), source);
    Path o = folder.resolve("all.o");
    // Scalar instructions ignore the vector length: ours says 512 bits.
    run(Requires.tool("as"), "--64", "-mevexlig=512", "-o", o.toString(), s.toString());
    byte[] text = section(o, ".text");
    ByteBuffer ends = ByteBuffer.wrap(section(o, ".ends")).order(ByteOrder.LITTLE_ENDIAN);
    List<byte[]> out = new ArrayList<>();
    int from = 0;
    for (int i = 0; i < lines.size(); i++) {
      int to = ends.getInt();
      out.add(Arrays.copyOfRange(text, from, to));
      from = to;
    }
    return out;
  }

  private byte[] section(Path object, String name) throws IOException, InterruptedException {
    Path binary = folder.resolve("section");
    run(Requires.tool("objcopy"), "-O", "binary", "-j", name, object.toString(), binary.toString());
    return Files.readAllBytes(binary);
  }

  /** What the bytes mean, an instruction a line. */
  List<String> disassemble(byte[] code) throws IOException, InterruptedException {
    Path binary = Files.write(folder.resolve("code"), code);
    return run(
            Requires.tool("objdump"),
            "-D",
            "-b",
            "binary",
            "-m",
            "i386:x86-64",
            "--no-show-raw-insn",
            binary.toString())
        .lines()
        .filter(line -> line.matches("\\s*[0-9a-f]+:\\s.*"))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .toList();
  }

  private String run(Path program, String... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(List.of(arguments));
    Path output = folder.resolve("output");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
      process.destroyForcibly();
      throw new IOException(command + ": " + Files.readString(output));
    }
    return Files.readString(output);
  }
}
