package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.UserError;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.concurrent.CompletionException;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();
  private Throwable thrown = new IllegalStateException();

  @Test
  void versionNamesTheBuild() {
    assertEquals(0, execute("--version"));
    assertTrue(
        out.toString().matches("assay \\d+\\.\\d+\\.\\d+\\S* \\(commit \\S+, Java 2\\d.*\\)\\R"),
        out.toString());
    assertEquals("", err.toString());
  }

  @Test
  void helpGoesToStandardOutputWithoutColour() {
    assertEquals(0, execute("--help"));
    assertTrue(out.toString().contains("Usage: assay"), out.toString());
    assertEquals(-1, out.toString().indexOf('\u001b'));
    assertEquals("", err.toString());
  }

  @Test
  void wrongUseIsOneLineAndTwo() {
    for (String[] args :
        new String[][] {{}, {"--no-such-option"}, {"no-such-command"}, {"fail", "--no"}}) {
      err.getBuffer().setLength(0);
      assertEquals(2, execute(args));
      assertEquals(1, err.toString().lines().count(), err.toString());
    }
    assertEquals("", out.toString());
  }

  @Test
  void aDefectIsOneLineUnlessDebugging() {
    thrown = new IllegalStateException("first\n  second");
    assertEquals(1, execute("fail"));
    assertEquals(
        "assay: internal error: IllegalStateException: first; second (--debug shows where)\n",
        err.toString());
    assertEquals(1, execute("fail", "--debug"));
    assertTrue(err.toString().contains("at assay.cli.MainTest"), err.toString());
  }

  @Test
  void anErrorOfTheJvmIsOneLineToo() {
    thrown = new OutOfMemoryError("Java heap space");
    assertEquals(1, execute("fail"));
    assertEquals(
        "assay: internal error: OutOfMemoryError: Java heap space (--debug shows where)\n",
        err.toString());
  }

  @Test
  void aUserErrorIsItsMessageAndItsCodeHoweverWrapped() {
    thrown = new UserError(UserError.DOES_NOT_FIT, "needs 9 GiB, 8 GiB are free");
    assertEquals(3, execute("fail"));
    thrown = new CompletionException(new RuntimeException(thrown));
    assertEquals(3, execute("fail"));
    assertEquals("assay: needs 9 GiB, 8 GiB are free\n".repeat(2), err.toString());
  }

  private int execute(String... args) {
    CommandLine line = Main.commandLine().addSubcommand(new Fail());
    line.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    return Main.execute(line, args);
  }

  @Command(name = "fail")
  private final class Fail implements Runnable {
    @Override
    public void run() {
      switch (thrown) {
        case RuntimeException e -> throw e;
        case Error e -> throw e;
        default -> throw new AssertionError(thrown);
      }
    }
  }
}
