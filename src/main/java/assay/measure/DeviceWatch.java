package assay.measure;

import assay.backend.DeviceMonitor;
import assay.backend.DeviceMonitor.MemoryBooks;
import assay.backend.DeviceMonitor.Sample;
import assay.results.DeviceReadings;
import assay.results.DeviceReadings.Range;
import assay.results.Times;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Turns what a device says of itself into what a result keeps. */
final class DeviceWatch {
  private DeviceWatch() {}

  /**
   * Memory now, and the clocks while it was timed.
   *
   * @param samples taken during the timing
   */
  static DeviceReadings readings(
      DeviceMonitor device, List<Sample> samples, @Nullable Times decodeWithoutGraph) {
    MemoryBooks b = device.memoryBooks();
    return new DeviceReadings(
        b.arenaBytes() + b.scratchBytes(),
        b.driverUsedBytes(),
        b.usedBeforeBytes(),
        b.processBytes(),
        b.contextBytes(),
        b.unexplainedBytes(),
        range(samples, s -> number(s.smClockMhz())),
        range(samples, s -> number(s.memoryClockMhz())),
        range(samples, Sample::powerWatts),
        range(samples, s -> number(s.temperatureCelsius())),
        busy(samples),
        samples.isEmpty()
            ? null
            : samples.stream().flatMap(s -> s.throttleReasons().stream()).distinct().toList(),
        decodeWithoutGraph);
  }

  private static @Nullable Double number(@Nullable Integer value) {
    return value == null ? null : Double.valueOf(value);
  }

  private static Stream<Double> present(
      List<Sample> samples, Function<Sample, @Nullable Double> quantity) {
    return samples.stream().map(quantity).filter(Objects::nonNull).map(Objects::requireNonNull);
  }

  private static @Nullable Range range(
      List<Sample> samples, Function<Sample, @Nullable Double> quantity) {
    List<Double> values = present(samples, quantity).sorted().toList();
    return values.isEmpty()
        ? null
        : new Range(Statistics.median(values), values.getFirst(), values.getLast(), values.size());
  }

  /** Mean of the driver's figure over the samples; null where it tells nothing. */
  static @Nullable Double busy(List<Sample> samples) {
    List<Double> values = present(samples, Sample::busyFraction).toList();
    return values.isEmpty()
        ? null
        : Double.valueOf(values.stream().mapToDouble(Double::doubleValue).average().orElseThrow());
  }

  /** Warnings for the reader: clocks that were held down by heat or power. */
  static List<String> warnings(List<Sample> samples) {
    List<String> reasons =
        samples.stream()
            .flatMap(s -> s.throttleReasons().stream())
            .distinct()
            .filter(r -> !r.equals("idle"))
            .toList();
    return reasons.isEmpty()
        ? List.of()
        : List.of("clocks were held down while this was timed by: " + String.join(", ", reasons));
  }
}
