package assay.report;

import assay.results.Environment;
import assay.results.Measurement;
import assay.results.Prediction;
import assay.results.ResultRow;
import assay.results.Times;
import assay.results.Utilization;
import assay.units.Bytes;
import assay.units.Quantity;
import assay.units.Seconds;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Tables of measured results: bytes, times, work, and how each row came about. */
final class ResultTables {
  private final List<ResultRow> rows;
  private final Map<Environment, String> machines;
  private final boolean several;
  private final boolean calibrated;

  ResultTables(ReportInput input) {
    this.rows = input.rows();
    this.machines = input.machines();
    this.several = machines.values().stream().distinct().count() > 1;
    this.calibrated = rows.stream().anyMatch(r -> r.calibrated() != null);
  }

  /** A table that begins with what each row is. */
  private Table table(String caption, String... more) {
    Table t = new Table(caption).numbers("row").words("model", "precision").words(more);
    if (several) {
      t.words("machine");
    }
    return t.numbers("batch", "prompt", "gen.");
  }

  private List<Table.Cell> start(int row, ResultRow r, String... more) {
    List<Table.Cell> out = new ArrayList<>();
    out.add(Table.measured(row, row, Integer.toString(row)));
    out.add(Table.text(r.model().name()));
    out.add(Table.text(r.precision()));
    for (String s : more) {
      out.add(Table.text(s));
    }
    if (several) {
      out.add(Table.text(machines.get(r.environment())));
    }
    out.add(count(r.workload().batch()));
    out.add(count(r.workload().promptTokens()));
    out.add(count(r.workload().generatedTokens()));
    return out;
  }

  private static Table.Cell count(int n) {
    return Table.number(n, Integer.toString(n));
  }

  /** Calls for each row that was measured, with its number from 1. */
  private void each(java.util.function.ObjIntConsumer<ResultRow> action) {
    for (int i = 0; i < rows.size(); i++) {
      if (rows.get(i).measured() != null) {
        action.accept(rows.get(i), i + 1);
      }
    }
  }

  // ---- bytes

  private record Category(
      String name,
      Function<Prediction, @Nullable Long> predicted,
      Function<Measurement, @Nullable Long> measured) {}

  private static final List<Category> CATEGORIES =
      List.of(
          new Category("weights", Prediction::weightsBytes, Measurement::weightsBytes),
          new Category("KV cache", Prediction::kvCacheBytes, Measurement::kvCacheBytes),
          new Category("activations", Prediction::activationsBytes, Measurement::activationsBytes),
          new Category("workspace", Prediction::workspaceBytes, Measurement::workspaceBytes),
          new Category("overhead", Prediction::overheadBytes, Measurement::overheadBytes));

  Table memory() {
    Table t =
        table("Bytes in all, and which category the difference is in")
            .numbers("rule N × bytes", "predicted", "measured", "difference")
            .words("residual");
    each(
        (r, n) -> {
          Long p = predicted(r, Prediction::totalBytes);
          Long m = measured(r, Measurement::totalBytes);
          Long rule = r.rules() == null ? null : r.rules().weightsBytes();
          List<Table.Cell> cells = start(n, r);
          cells.add(bytes(rule));
          cells.add(bytes(p));
          cells.add(Table.measured(n, m, m == null ? "" : Bytes.format(m)));
          cells.add(difference(p, m));
          cells.add(Table.text(residual(r)));
          t.add(n, cells);
        });
    return t;
  }

  /** The category that differs most, by name. */
  private static String residual(ResultRow r) {
    String name = "none";
    long most = 0;
    for (Category c : CATEGORIES) {
      Long p = predicted(r, c.predicted);
      Long m = measured(r, c.measured);
      if (p != null && m != null && Math.abs(m - p) > Math.abs(most)) {
        most = m - p;
        name = "%s %s%s".formatted(c.name, most > 0 ? "+" : "−", Bytes.format(Math.abs(most)));
      }
    }
    return name;
  }

  Table categories() {
    Table t =
        table("The same by category", "category").numbers("predicted", "measured", "difference");
    each(
        (r, n) -> {
          for (Category c : CATEGORIES) {
            Long p = predicted(r, c.predicted);
            Long m = measured(r, c.measured);
            List<Table.Cell> cells = start(n, r, c.name);
            cells.add(bytes(p));
            cells.add(Table.measured(n, m, m == null ? "" : Bytes.format(m)));
            cells.add(difference(p, m));
            t.add(n, cells);
          }
        });
    return t;
  }

  private static Table.Cell bytes(@Nullable Long b) {
    return Table.number(b, b == null ? "" : Bytes.format(b));
  }

  // ---- times

  Table times() {
    Table t =
        table(
                "Medians, with how far the fastest and the slowest run lie. N generated tokens are"
                    + " N − 1 decode passes",
                "phase")
            .numbers("predicted");
    if (calibrated) {
      t.numbers("calibrated");
    }
    t.numbers("measured")
        .words("range")
        .numbers("error", "tokens/s", "FLOP/s", "MFU", "of its own GEMM")
        .words("rule")
        .numbers("MBU");
    each(
        (r, n) -> {
          Measurement m = r.measured();
          Utilization u = r.utilization();
          if (m == null) {
            return;
          }
          time(
              t,
              n,
              r,
              new Phase(
                  "prefill",
                  Prediction::prefillSeconds,
                  m.prefillSeconds(),
                  m.prefillTokensPerSecond(),
                  m.prefillFlopsPerSecond(),
                  u == null ? null : u.prefillMfu(),
                  u == null ? null : u.prefillGemmShare(),
                  u == null ? null : u.prefillVerdict(),
                  null));
          time(
              t,
              n,
              r,
              new Phase(
                  "decode, a pass",
                  Prediction::decodeSecondsPerToken,
                  m.decodeSecondsPerToken(),
                  m.decodeTokensPerSecond(),
                  m.decodeFlopsPerSecond(),
                  u == null ? null : u.decodeMfu(),
                  u == null ? null : u.decodeGemmShare(),
                  u == null ? null : u.decodeVerdict(),
                  u == null ? null : u.decodeMbu()));
        });
    return t;
  }

  private record Phase(
      String name,
      Function<Prediction, @Nullable Double> predicted,
      @Nullable Times measured,
      @Nullable Double tokens,
      @Nullable Double flops,
      @Nullable Double mfu,
      @Nullable Double gemmShare,
      Utilization.@Nullable Verdict verdict,
      @Nullable Double mbu) {}

  private void time(Table t, int n, ResultRow r, Phase f) {
    Times m = f.measured;
    if (m == null) {
      return;
    }
    Double p = predicted(r, f.predicted);
    Double k = r.calibrated() == null ? null : f.predicted.apply(r.calibrated());
    List<Table.Cell> cells = start(n, r, f.name);
    cells.add(seconds(p));
    if (calibrated) {
      cells.add(seconds(k));
    }
    cells.add(Table.measured(n, m.median(), Seconds.format(m.median())));
    cells.add(
        Table.text(
            "−%.0f +%.0f %%, %d runs"
                .formatted(
                    100 * (1 - m.min() / m.median()), 100 * (m.max() / m.median() - 1), m.runs())));
    cells.add(difference(k == null ? p : k, m.median()));
    cells.add(Table.measured(n, f.tokens, f.tokens == null ? "" : Quantity.digits(f.tokens)));
    cells.add(Table.measured(n, f.flops, f.flops == null ? "" : Quantity.format(f.flops, "")));
    cells.add(ratio(n, f.mfu));
    cells.add(ratio(n, f.gemmShare));
    cells.add(Table.text(f.verdict == null ? null : f.verdict.label()));
    cells.add(ratio(n, f.mbu));
    t.add(n, cells);
  }

  private static Table.Cell seconds(@Nullable Double s) {
    return Table.number(s, s == null ? "" : Seconds.format(s));
  }

  private static Table.Cell ratio(int n, @Nullable Double r) {
    return Table.measured(n, r, r == null ? "" : "%.2f".formatted(r));
  }

  // ---- work

  Table work() {
    Table t =
        table(
                "FLOPs: the rule 2N per token (claim C1), predicted operation by operation, counted"
                    + " from what really reached the device",
                "phase")
            .numbers("rule 2N", "predicted", "counted", "difference");
    each(
        (r, n) -> {
          ResultRow.Rules rules = r.rules();
          work(
              t,
              n,
              start(n, r, "prefill"),
              rules == null ? null : rules.prefillFlops(),
              predicted(r, Prediction::prefillFlops),
              measured(r, Measurement::prefillFlops));
          work(
              t,
              n,
              start(n, r, "decode, a token"),
              rules == null ? null : rules.decodeFlopsPerToken(),
              predicted(r, Prediction::decodeFlopsPerToken),
              measured(r, Measurement::decodeFlopsPerToken));
        });
    return t;
  }

  private static void work(
      Table t,
      int n,
      List<Table.Cell> cells,
      @Nullable Long rule,
      @Nullable Long predicted,
      @Nullable Long counted) {
    cells.add(flops(rule));
    cells.add(flops(predicted));
    cells.add(
        Table.measured(n, counted, counted == null ? "" : Quantity.format((double) counted, "")));
    cells.add(difference(predicted, counted));
    t.add(n, cells);
  }

  private static Table.Cell flops(@Nullable Long count) {
    return Table.number(count, count == null ? "" : Quantity.format((double) count, ""));
  }

  // ---- where it comes from

  Table provenance() {
    Table t =
        table("The command that repeats a row, its check and its ceilings")
            .words("time")
            .prose("check against the reference")
            .words("arithmetic")
            .numbers("peak, FLOP/s", "memory, B/s")
            .prose("command");
    for (int i = 0; i < rows.size(); i++) {
      ResultRow r = rows.get(i);
      List<Table.Cell> cells = start(i + 1, r);
      var c = r.ceilings();
      Double peak = c == null ? null : c.peakFlopsPerSecond();
      Double rate = c == null ? null : c.copyBytesPerSecond();
      cells.add(Table.text(r.time()));
      cells.add(Table.text(check(r)));
      cells.add(Table.text(arithmetic(r)));
      cells.add(
          Table.number(
              peak,
              c == null || peak == null
                  ? ""
                  : Quantity.format(peak, "") + " (" + c.peakSource() + ")"));
      cells.add(Table.number(rate, rate == null ? "" : Quantity.format(rate, "")));
      cells.add(Table.text(r.command()));
      t.add(i + 1, cells);
    }
    return t;
  }

  private static @Nullable String check(ResultRow r) {
    var check = r.check();
    if (check == null) {
      return null;
    }
    return (check.passed() ? "passed: " : "FAILED: ")
        + check.what()
        + (check.error() == null
            ? ""
            : ", error %.2g of %.2g allowed".formatted(check.error(), check.tolerance()));
  }

  private static @Nullable String arithmetic(ResultRow r) {
    var a = r.arithmetic();
    if (a == null) {
      return null;
    }
    return a.prefill().equals(a.decode()) ? a.prefill() : a.prefill() + "; decode " + a.decode();
  }

  // ---- cells

  private static <T> @Nullable T predicted(ResultRow r, Function<Prediction, @Nullable T> f) {
    return r.estimate() == null ? null : f.apply(r.estimate());
  }

  private static <T> @Nullable T measured(ResultRow r, Function<Measurement, @Nullable T> f) {
    return r.measured() == null ? null : f.apply(r.measured());
  }

  private static Table.Cell difference(@Nullable Number predicted, @Nullable Number measured) {
    if (predicted == null || measured == null) {
      return Table.text(null);
    }
    if (predicted.equals(measured)) {
      return Table.number(0, "0");
    }
    if (measured.doubleValue() == 0) {
      return Table.text("of 0");
    }
    double d = predicted.doubleValue() / measured.doubleValue() - 1;
    return Table.number(d, "%+.1f %%".formatted(100 * d));
  }
}
