package assay.report;

import assay.model.UserError;
import assay.results.ResultJson;
import assay.units.Quantity;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/** The ledger as {@code claims --json} prints it. */
public final class LedgerFile {
  private LedgerFile() {}

  /**
   * Its lines.
   *
   * @throws UserError when it is not there or is no ledger
   */
  public static List<ReportInput.ClaimLine> read(Path file) {
    JsonNode claims;
    try {
      claims =
          ResultJson.mapper()
              .readTree(Files.readString(file, StandardCharsets.UTF_8))
              .path("claims");
    } catch (NoSuchFileException e) {
      throw new UserError("no such file: " + file);
    } catch (IOException | JacksonException e) {
      throw new UserError(file + " is no ledger: expected what assay claims --json prints");
    }
    List<ReportInput.ClaimLine> out = new ArrayList<>();
    for (JsonNode c : claims) {
      out.add(
          new ReportInput.ClaimLine(
              words(c.get("id")),
              words(c.get("kind")),
              words(c.get("statement")),
              words(c.get("verdict")),
              words(c.get("predicted")),
              words(c.get("measured")),
              words(c.get("why")),
              words(c.get("command"))));
    }
    if (out.isEmpty()) {
      throw new UserError(file + " has no claims: expected what assay claims --json prints");
    }
    return out;
  }

  /** Values by name and numbers with four digits, as a person reads them. */
  private static String words(@Nullable JsonNode n) {
    if (n == null || n.isNull()) {
      return Table.NONE;
    }
    if (n.isObject()) {
      List<String> parts = new ArrayList<>();
      n.properties()
          .forEach(e -> parts.add(e.getKey().replace('_', ' ') + " " + words(e.getValue())));
      return parts.isEmpty() ? Table.NONE : String.join("; ", parts);
    }
    if (n.isArray()) {
      List<String> parts = new ArrayList<>();
      n.forEach(e -> parts.add(words(e)));
      return String.join(", ", parts);
    }
    return n.isNumber() ? number(n.doubleValue()) : n.asString();
  }

  private static String number(double v) {
    if (v != 0 && (Math.abs(v) < 1e-4 || Math.abs(v) >= 1e18)) {
      return "%.3e".formatted(v);
    }
    return Math.abs(v) >= 1e5 ? Quantity.format(v, "") : Quantity.digits(v);
  }
}
