package assay.report;

import assay.calibrate.Calibration;
import assay.estimate.Constant;
import assay.results.Comparison;
import assay.units.Bytes;
import assay.units.Quantity;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Tables of what is not a row: comparisons of precisions, a calibration, the ledger. */
final class OtherTables {
  private OtherTables() {}

  static Table quality(List<Comparison> all) {
    Table t =
        new Table("Each way of storing the weights against the reference, on the same text")
            .words("model", "variant", "reference")
            .numbers(
                "weights predicted",
                "weights measured",
                "zeros",
                "prefill, tokens/s",
                "decode, tokens/s",
                "KL mean, nats",
                "KL p99, nats",
                "top-1 agreement",
                "perplexity",
                "worst layer",
                "its error")
            .prose("command");
    for (Comparison c : all) {
      List<Table.Cell> cells = new ArrayList<>();
      cells.add(Table.text(c.model().name()));
      cells.add(Table.text(c.variant()));
      cells.add(Table.text(c.reference()));
      cells.add(Table.number(c.predictedWeightsBytes(), Bytes.format(c.predictedWeightsBytes())));
      cells.add(Table.number(c.weightsBytes(), Bytes.format(c.weightsBytes())));
      cells.add(share(c.exactZeroFraction()));
      cells.add(digits(c.prefillTokensPerSecond()));
      cells.add(digits(c.decodeTokensPerSecond()));
      cells.add(scientific(c.klMeanNats()));
      cells.add(scientific(c.klP99Nats()));
      cells.add(share(c.top1Agreement()));
      cells.add(digits(c.perplexity()));
      cells.add(Table.number(c.worstLayer(), Integer.toString(c.worstLayer())));
      cells.add(scientific(c.worstLayerError()));
      cells.add(Table.text(c.command()));
      t.add(0, cells);
    }
    return t;
  }

  static Table heldOut(Calibration k) {
    Table t =
        new Table(
                "Mean absolute error on shapes that the fit had not seen: %s, %s, made %s by Assay %s"
                    .formatted(k.name(), k.host(), k.date(), k.version()))
            .words("precision", "component")
            .numbers("shapes", "rows", "before", "after");
    for (Calibration.HeldOut e : k.errors()) {
      t.add(
          0,
          List.of(
              Table.text(e.precision()),
              Table.text(e.component()),
              Table.number(e.shapes(), Integer.toString(e.shapes())),
              Table.number(e.rows(), Integer.toString(e.rows())),
              share(e.before()),
              share(e.after())));
    }
    return t;
  }

  static Table constants(Calibration k) {
    Table t =
        new Table("Constants that were fitted, with their 95 % intervals and what they replaced")
            .words("constant")
            .numbers("value", "low", "high", "default")
            .words("unit")
            .prose("source");
    for (Constant c : k.constants()) {
      Constant.Interval i = c.interval();
      t.add(
          0,
          List.of(
              Table.text(c.key()),
              scientific(c.value()),
              scientific(i == null ? null : Double.valueOf(i.low())),
              scientific(i == null ? null : Double.valueOf(i.high())),
              scientific(k.replaced().get(c.key())),
              Table.text(c.coefficient().unit()),
              Table.text(c.source())));
    }
    return t;
  }

  static Table notes(Calibration k) {
    Table t = new Table("Rows that the fit left out, and what it rests on").prose("note");
    k.notes().forEach(n -> t.add(0, List.of(Table.text(n))));
    return t;
  }

  static Table ledger(List<ReportInput.ClaimLine> claims) {
    Table t =
        new Table("Every claim under test")
            .words("claim", "kind", "verdict")
            .prose("statement")
            .prose("predicted")
            .prose("measured")
            .prose("why")
            .words("command");
    for (ReportInput.ClaimLine c : claims) {
      t.add(
          0,
          List.of(
              Table.text(c.id()),
              Table.text(c.kind()),
              Table.text(c.verdict()),
              Table.text(c.statement()),
              Table.text(c.predicted()),
              Table.text(c.measured()),
              Table.text(c.why()),
              Table.text(c.command())));
    }
    return t;
  }

  private static Table.Cell share(@Nullable Double s) {
    return Table.number(s, s == null ? "" : String.format(Locale.ROOT, "%.2f %%", 100 * s));
  }

  private static Table.Cell digits(@Nullable Double d) {
    return Table.number(d, d == null ? "" : Quantity.digits(d));
  }

  private static Table.Cell scientific(@Nullable Double d) {
    return Table.number(
        d,
        d == null
            ? ""
            : d != 0 && Math.abs(d) < 1e-3
                ? String.format(Locale.ROOT, "%.3g", d)
                : Quantity.digits(d));
  }
}
