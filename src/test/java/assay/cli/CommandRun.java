package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.PrintWriter;
import java.io.StringWriter;
import picocli.CommandLine;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** One command, run in this JVM as the user would run it, with what it printed. */
record CommandRun(int code, String out, String err) {
  static CommandRun of(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    CommandLine line = Main.commandLine();
    line.setOut(new PrintWriter(out, true)).setErr(new PrintWriter(err, true));
    int code = Main.execute(line, args);
    return new CommandRun(code, out.toString(), err.toString());
  }

  /** Standard output of a command that succeeded. */
  String text() {
    assertEquals(0, code, err);
    return out;
  }

  /** Its one JSON document; anything beside it on standard output fails. */
  JsonNode document() {
    return JsonMapper.builder()
        .enable(tools.jackson.databind.DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
        .build()
        .readTree(text());
  }

  /** The one line on standard error of a command that failed with that code, stdout being empty. */
  String error(int expectedCode) {
    assertEquals(expectedCode, code, err);
    assertEquals("", out);
    String line = err.strip();
    assertFalse(line.contains("\n"), line);
    assertFalse(line.contains("internal error"), line);
    return line;
  }
}
