package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @Test
  void versionNamesTheBuild() {
    assertEquals(0, execute(line(), "--version"));
    assertTrue(
        out.toString().matches("assay \\d+\\.\\d+\\.\\d+\\S* \\(commit \\S+, Java 2\\d.*\\)\\R"),
        out.toString());
    assertEquals("", err.toString());
  }

  @Test
  void helpGoesToStandardOutput() {
    assertEquals(0, execute(line(), "--help"));
    assertTrue(out.toString().contains("Usage: assay"), out.toString());
    assertEquals("", err.toString());
  }

  @Test
  void wrongUseIsOneLineAndTwo() {
    for (String[] args : new String[][] {{}, {"--no-such-option"}, {"no-such-command"}}) {
      err.getBuffer().setLength(0);
      assertEquals(2, execute(line(), args));
      assertEquals(1, err.toString().lines().count(), err.toString());
    }
    assertEquals("", out.toString());
  }

  @Test
  void aDefectIsOneLineUnlessDebugging() {
    assertEquals(1, execute(line(), "fail"));
    assertEquals(
        "assay: internal error: IllegalStateException: first; second (--debug shows where)\n",
        err.toString());
    assertEquals(1, execute(line(), "fail", "--debug"));
    assertTrue(err.toString().contains("at assay.cli.MainTest$Fail.run"), err.toString());
  }

  private static CommandLine line() {
    return Main.commandLine().addSubcommand(new Fail());
  }

  private int execute(CommandLine line, String... args) {
    return line.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true)).execute(args);
  }

  @Command(name = "fail")
  static final class Fail implements Runnable {
    @Override
    public void run() {
      throw new IllegalStateException("first\n  second");
    }
  }
}
