package assay.backend.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import java.util.zip.GZIPInputStream;
import jcuda.nvptxcompiler.JNvPTXCompiler;
import jcuda.nvptxcompiler.nvPTXCompilerHandle;

/**
 * Assembles PTX files with the compiler inside JCuda's natives (12.0, PTX 8.0), which needs no GPU.
 * A program of its own: the compiler takes the JVM down on what is no PTX.
 *
 * <p>Arguments: pairs of a file and an architecture. Prints for each {@code FILE name} and the
 * compiler's log with registers and spills; exits with 1 after an {@code ERROR} line if one fails.
 */
final class PtxAssembler {
  private static final Pattern HEADER =
      Pattern.compile("\\A\\s*\\.version 8\\.0\\s+\\.target sm_\\w+\\s+\\.address_size 64\\s");

  private PtxAssembler() {}

  public static void main(String[] args) throws Exception {
    boolean good = true;
    for (int i = 0; i < args.length; i += 2) {
      Path file = Path.of(args[i]);
      System.out.println("FILE " + file.getFileName() + " " + args[i + 1]);
      good &= assemble(read(file), args[i + 1]);
    }
    System.exit(good ? 0 : 1);
  }

  /** The text of a file, compressed or not. */
  static String read(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file);
        InputStream text = file.toString().endsWith(".gz") ? new GZIPInputStream(in) : in) {
      return new String(text.readAllBytes(), StandardCharsets.US_ASCII);
    }
  }

  private static boolean assemble(String ptx, String architecture) {
    if (!HEADER.matcher(ptx).find()) {
      System.out.println("ERROR does not begin with .version 8.0, .target and .address_size 64");
      return false;
    }
    byte[] code = (ptx + "\0").getBytes(StandardCharsets.US_ASCII);
    nvPTXCompilerHandle compiler = new nvPTXCompilerHandle();
    int status = JNvPTXCompiler.nvPTXCompilerCreate(compiler, code.length, code);
    if (status != 0) {
      System.out.println("ERROR nvPTXCompilerCreate returned " + status);
      return false;
    }
    try {
      String[] options = {"--gpu-name=" + architecture, "--verbose"};
      status = JNvPTXCompiler.nvPTXCompilerCompile(compiler, options.length, options);
      long[] bytes = new long[1];
      if (status != 0) {
        JNvPTXCompiler.nvPTXCompilerGetErrorLogSize(compiler, bytes);
        byte[] log = new byte[Math.toIntExact(bytes[0]) + 1];
        JNvPTXCompiler.nvPTXCompilerGetErrorLog(compiler, log);
        System.out.println("ERROR status " + status + ": " + text(log));
        return false;
      }
      JNvPTXCompiler.nvPTXCompilerGetInfoLogSize(compiler, bytes);
      byte[] log = new byte[Math.toIntExact(bytes[0]) + 1];
      JNvPTXCompiler.nvPTXCompilerGetInfoLog(compiler, log);
      System.out.println(text(log));
      return true;
    } finally {
      JNvPTXCompiler.nvPTXCompilerDestroy(compiler);
    }
  }

  private static String text(byte[] log) {
    int end = 0;
    while (end < log.length && log[end] != 0) {
      end++;
    }
    return new String(log, 0, end, StandardCharsets.US_ASCII);
  }
}
