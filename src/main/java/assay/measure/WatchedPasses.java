package assay.measure;

import assay.backend.Backend;
import assay.engine.Session;
import assay.measure.inspect.HardwareCounters.Counted;
import assay.model.Precision;
import assay.model.WeightSource;
import assay.model.Workload;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * One prefill in one pass and one decode pass: first counted, then once more, alone, for a profiler
 * that watches the device. Nothing is timed.
 */
public final class WatchedPasses {
  private WatchedPasses() {}

  /**
   * Runs them twice.
   *
   * @param promptTokens of one sequence, all in one pass
   * @param watch runs its argument while the profiler looks; the argument returns when the device
   *     is done
   * @return what was counted, by phase and operation in the order of first use
   */
  public static List<Counted> run(
      Backend device,
      WeightSource weights,
      Precision precision,
      int promptTokens,
      Consumer<Runnable> watch) {
    Workload workload = new Workload(1, promptTokens, 2);
    CountingBackend counting = new CountingBackend(device);
    try (Session session =
        Session.open(
            counting,
            weights,
            InferenceMeter.sessionFor(precision, workload).withMaxPassTokens(promptTokens))) {
      session.start(InferenceMeter.prompts(session, workload));
      List<Counted> out = new ArrayList<>();
      counting.start();
      session.enqueuePrefill();
      device.await();
      add("prefill", counting.stop(), out);
      counting.start();
      session.enqueueDecode();
      device.await();
      add("decode", counting.stop(), out);
      session.rewind();
      device.await();
      watch.accept(
          () -> {
            session.enqueuePrefill();
            session.enqueueDecode();
            device.await();
          });
      return out;
    }
  }

  private static void add(String phase, Map<OpLabel, OpCounts> counts, List<Counted> out) {
    Map<String, OpCounts> byOperation = new LinkedHashMap<>();
    counts.forEach((label, c) -> byOperation.merge(label.operation(), c, OpCounts::plus));
    byOperation.forEach(
        (operation, c) -> out.add(new Counted(phase, operation, c.calls(), c.flops(), c.bytes())));
  }
}
