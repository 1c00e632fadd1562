package assay.cli;

import assay.cost.MemoryKind;
import assay.cost.PhaseCost;
import assay.estimate.Capacity;
import assay.estimate.Constant;
import assay.estimate.Device;
import assay.estimate.InferenceEstimate;
import assay.estimate.Rate;
import assay.estimate.SharedInference;
import assay.estimate.rules.Rule;
import assay.estimate.training.ActivationTerm;
import assay.estimate.training.ActivationTerms;
import assay.estimate.training.TrainingEstimate;
import assay.model.ModelConfig;
import assay.units.Bytes;
import assay.units.Quantity;
import assay.units.Seconds;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** {@code assay estimate} for people. */
final class EstimateText {
  private static final String INDENT = "  ";
  private final PrintWriter out;

  EstimateText(PrintWriter out) {
    this.out = out;
  }

  void model(ModelConfig c) {
    out.printf(
        "%s (%s): %s parameters, %d layers of %d, %d heads (%d of keys and values), %s rows%n",
        c.name(),
        c.architecture(),
        Quantity.count(c.parameters()),
        c.nLayers(),
        c.hiddenSize(),
        c.nHeads(),
        c.nKvHeads(),
        Quantity.count(c.vocabSize()));
  }

  void result(EstimateResult r) {
    InferenceEstimate e = r.inference();
    out.printf(
        "%n%s, batch %d, context %d: prompt of %d, %d generated; on %s%n",
        e.request().precision().label(),
        e.request().workload().batch(),
        e.request().size().contextTokens(),
        e.request().workload().promptTokens(),
        e.request().workload().generatedTokens(),
        describe(e.device(), e));
    e.warnings().forEach(w -> out.println("  ! " + w));
    out.println("\nMemory");
    memory(e);
    shared(r.spread());
    capacity(r.capacity(), e);
    out.println("\nWork and time");
    work(e);
    TrainingEstimate t = r.training();
    if (t != null) {
      training(t, r.fewestTraining());
      sharings(r.sharings());
    }
    out.println("\nRules beside the exact count");
    rules(r.rules());
  }

  private void shared(SharedInference s) {
    if (s.parallelism().devices() == 1) {
      return;
    }
    out.printf(
        "  on each of %d devices (%s): %s; not measured here%n",
        s.parallelism().devices(),
        s.parallelism().describe(),
        Bytes.formatBoth(s.bytesPerDevice()));
    out.printf(
        "    without exchange: first token %s, a token %s; a device sends %s for the prompt, %s a"
            + " step%n",
        seconds(s.prefillSeconds()),
        seconds(s.decodeSecondsPerToken()),
        Bytes.format(s.prefillBytesSent()),
        Bytes.format(s.decodeBytesSent()));
  }

  private void sharings(List<TrainingEstimate> all) {
    if (all.isEmpty()) {
      return;
    }
    out.println(
        "  The same devices shared otherwise (exchange not in the times; not measured here)");
    TextTable t =
        new TextTable(
            1, "", "a device", "fits", "tokens a step", "a step", "sent a step", "link at least");
    for (TrainingEstimate e : all) {
      Double link = e.linkBytesPerSecond();
      t.add(
          e.request().parallelism().describe(),
          Bytes.format(e.totalBytes()),
          e.fits() == null ? "?" : e.fits() ? "yes" : "no",
          Quantity.count(e.request().tokensPerStep()),
          e.stepSeconds() == null ? "-" : Seconds.format(e.stepSeconds().value()),
          Bytes.format(e.sentBytes()),
          link == null ? "-" : Quantity.format(link, "B/s"));
    }
    t.print(out, "    ");
  }

  private static String describe(Device d, InferenceEstimate e) {
    StringBuilder s = new StringBuilder(d.name());
    Rate peak = d.matmulPeak(e.request().precision());
    if (peak != null) {
      String arithmetic = d.kind().matmulArithmetic(e.request().precision()).label();
      s.append(", ").append(Quantity.format(peak.perSecond(), "FLOP/s")).append(" ");
      s.append(arithmetic).append(peak.derived() ? " (derived)" : "");
    }
    Rate bandwidth = d.bandwidth();
    if (bandwidth != null) {
      s.append(", ").append(Quantity.format(bandwidth.perSecond(), "B/s"));
    }
    Long memory = d.memoryBytes();
    if (memory != null) {
      s.append(", ").append(Bytes.format(memory));
    }
    return s.toString();
  }

  private void memory(InferenceEstimate e) {
    TextTable t = new TextTable(1, "", "bytes", "", "share");
    for (MemoryKind k :
        List.of(
            MemoryKind.WEIGHTS,
            MemoryKind.KV_CACHE,
            MemoryKind.ACTIVATIONS,
            MemoryKind.WORKSPACE)) {
      line(t, k.label().replace('_', ' '), e.bytes(k), e.totalBytes());
    }
    line(t, "fixed overhead (assumed)", e.overheadBytes(), e.totalBytes());
    line(t, "total", e.totalBytes(), e.totalBytes());
    t.print(out, INDENT);
    Long memory = e.device().memoryBytes();
    if (memory != null) {
      out.printf(
          "  %s: %s of %s%n",
          Boolean.TRUE.equals(e.fits()) ? "fits" : "DOES NOT FIT",
          percent((double) e.totalBytes() / memory),
          Bytes.formatBoth(memory));
    }
  }

  private static void line(TextTable t, String name, long bytes, long total) {
    t.add(name, Quantity.count(bytes), Bytes.format(bytes), percent((double) bytes / total));
  }

  private void capacity(Capacity c, InferenceEstimate e) {
    if (c.largestBatch() == null) {
      return;
    }
    out.printf(
        "  largest batch at this context %s; longest context at this batch %s%s; fewest devices"
            + " %s%n",
        c.largestBatch() == 0 ? "none" : c.largestBatch(),
        c.longestContext() == null || c.longestContext() == 0 ? "none" : c.longestContext(),
        c.longestContext() != null && c.longestContext() == e.request().config().maxSeqLen()
            ? " (all positions of the model)"
            : "",
        c.fewestDevices() == null ? "not found" : c.fewestDevices());
  }

  private void work(InferenceEstimate e) {
    TextTable t = new TextTable(1, "", "FLOP", "bytes moved", "time", "tokens/s");
    t.add(
        "prefill, to the first token",
        Quantity.format((double) e.prefill().flops(), "FLOP"),
        Bytes.format(e.prefill().bytes()),
        seconds(e.prefillSeconds()),
        rate(e.prefillTokensPerSecond()));
    PhaseCost decode = e.decode();
    int steps = decode.passes().size();
    if (steps > 0) {
      t.add(
          "a decode step",
          Quantity.format((double) decode.flops() / steps, "FLOP"),
          Bytes.format(decode.bytes() / steps),
          seconds(e.decodeSecondsPerToken()),
          rate(e.decodeTokensPerSecond()));
    }
    t.print(out, INDENT);
    if (e.prefillSeconds() != null) {
      out.printf(
          "  times with %s%s; --constants shows each with its source%n",
          e.constants().name(), e.constants().isCalibrated() ? "" : ", not calibrated on a device");
    }
  }

  /** The constants in use. */
  void constants(InferenceEstimate e) {
    out.println("\nConstants");
    TextTable t = new TextTable(4, "name", "unit", "origin", "source", "value");
    for (Constant c : e.constants().used(e.request().precision())) {
      t.add(
          c.key(),
          c.coefficient().unit(),
          c.origin().name().toLowerCase(Locale.ROOT),
          c.source(),
          Quantity.digits(c.value()));
    }
    t.print(out, INDENT);
    for (String note : e.device().notes()) {
      out.println("  " + e.device().name() + ": " + note);
    }
  }

  private void training(TrainingEstimate t, @Nullable Integer fewest) {
    out.printf(
        "%nTraining: %d sequences of %d tokens a device, %d micro-batches a step, %s, %s; %s of %s"
            + " parameters trained%n",
        t.request().microBatch(),
        t.request().tokens(),
        t.request().accumulation(),
        t.request().optimizer().label(),
        t.request().parallelism().describe(),
        Quantity.count(t.trainedParameters()),
        Quantity.count(t.parameters()));
    t.warnings().forEach(w -> out.println("  ! " + w));
    TextTable table = new TextTable(1, "", "bytes", "", "a parameter");
    for (MemoryKind k :
        List.of(
            MemoryKind.WEIGHTS,
            MemoryKind.GRADIENTS,
            MemoryKind.OPTIMIZER,
            MemoryKind.ACTIVATIONS,
            MemoryKind.WORKSPACE)) {
      perParameter(table, k.label(), t.bytes(k), t);
    }
    perParameter(table, "fixed overhead (assumed)", t.overheadBytes(), t);
    perParameter(table, "total on the fullest device", t.totalBytes(), t);
    table.print(out, INDENT);
    Long memory = t.device().memoryBytes();
    if (memory != null) {
      out.printf(
          "  %s: %s of %s; fewest replicas with ZeRO 3: %s%n",
          Boolean.TRUE.equals(t.fits()) ? "fits" : "DOES NOT FIT",
          percent((double) t.totalBytes() / memory),
          Bytes.formatBoth(memory),
          fewest == null ? "activations alone are too many" : fewest);
    }
    terms(t);
    steps(t);
  }

  private static void perParameter(TextTable t, String name, long bytes, TrainingEstimate e) {
    t.add(
        name,
        Quantity.count(bytes),
        Bytes.format(bytes),
        Quantity.digits((double) bytes / e.parameters()));
  }

  private void terms(TrainingEstimate t) {
    out.printf(
        "  Activations kept: %s a layer, %s outside; recomputation %s%n",
        Bytes.format(ActivationTerms.layerBytes(t.terms())),
        Bytes.format(ActivationTerms.outsideBytes(t.terms())),
        t.request().recomputation().name().toLowerCase(Locale.ROOT));
    TextTable table = new TextTable(4, "kept", "formula", "where", "for", "bytes");
    for (ActivationTerm a : t.terms()) {
      table.add(
          a.name(),
          a.formula(),
          a.perLayer() ? "each layer" : "once",
          a.why(),
          Quantity.count(a.bytes()));
    }
    table.print(out, "    ");
  }

  private void steps(TrainingEstimate t) {
    out.printf(
        "  A step: %s tokens, %s (forward %s, backward %s, again %s, update %s)%n",
        Quantity.count(t.request().tokensPerStep()),
        flop(t.flops().total()),
        flop(t.flops().forward()),
        flop(t.flops().backward()),
        flop(t.flops().recompute()),
        flop(t.flops().optimizer()));
    range("  A step takes", t.stepSeconds(), t);
    range("  All tokens take", t.totalSeconds(), t);
    t.traffic()
        .forEach(
            x ->
                out.printf(
                    "  Each device sends %s a step: %s (%s); not measured here%n",
                    Bytes.format(x.bytes()), x.name(), x.why()));
  }

  private void range(String what, TrainingEstimate.@Nullable Range r, TrainingEstimate t) {
    if (r == null) {
      return;
    }
    boolean one = r.low() == r.high();
    out.printf(
        "%s %s%s; utilisation %s%n",
        what,
        Seconds.format(r.value()),
        one ? "" : " (%s to %s)".formatted(Seconds.format(r.low()), Seconds.format(r.high())),
        t.utilization().source());
  }

  private static String flop(long count) {
    return Quantity.format((double) count, "FLOP");
  }

  private void rules(List<Rule> rules) {
    TextTable t = new TextTable(3, "of", "rule", "from", "says", "exact", "off by");
    for (Rule r : rules) {
      Double off = r.deviation();
      t.add(
          r.topic(),
          r.rule(),
          r.source(),
          inUnit(r.value(), r.unit()),
          r.exact() == null ? "" : inUnit(r.exact(), r.unit()),
          off == null ? "" : (off >= 0 ? "+" : "") + percent(off));
    }
    t.print(out, INDENT);
  }

  private static String inUnit(double value, String unit) {
    return switch (unit) {
      case "s" -> Seconds.format(value);
      case "devices" -> Quantity.digits(value);
      case "tokens" -> Quantity.format(value, "").strip();
      default -> Quantity.format(value, unit);
    };
  }

  /** Every card of the table for one precision. */
  void cards(List<InferenceEstimate> estimates) {
    out.printf(
        "%nCards (%s; times with uncalibrated defaults)%n",
        estimates.getFirst().request().precision().label());
    TextTable t =
        new TextTable(1, "card", "memory", "fits", "to first token", "a token", "tokens/s");
    for (InferenceEstimate e : estimates) {
      Long memory = e.device().memoryBytes();
      t.add(
          e.device().name(),
          memory == null ? "?" : Bytes.format(memory),
          e.fits() == null ? "?" : e.fits() ? "yes" : "no",
          seconds(e.prefillSeconds()),
          seconds(e.decodeSecondsPerToken()),
          rate(e.decodeTokensPerSecond()));
    }
    t.print(out, INDENT);
  }

  private static String seconds(@Nullable Double s) {
    return s == null ? "-" : Seconds.format(s);
  }

  private static String rate(@Nullable Double r) {
    return r == null ? "-" : Quantity.digits(r);
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", share * 100);
  }
}
