package assay.estimate;

import assay.model.Precision;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a device can do at best. What is not known is absent, and what needs it is then not
 * predicted.
 *
 * @param name the user's name for it
 * @param kind which back end runs there
 * @param architecture of a GPU, else empty
 * @param memoryBytes all of its memory
 * @param bandwidth of its memory
 * @param cache last-level cache that whole models may fit into, or null
 * @param peaks dense peaks of the arithmetic of each precision
 * @param tdpWatts power limit of the datasheet
 * @param notes what the user should know about these figures
 */
public record Device(
    String name,
    DeviceKind kind,
    String architecture,
    @Nullable Long memoryBytes,
    @Nullable Rate bandwidth,
    @Nullable Cache cache,
    Map<Precision, Rate> peaks,
    @Nullable Double tdpWatts,
    List<String> notes) {

  /**
   * A cache that serves repeated reads of a working set no larger than it.
   *
   * @param bytes its size
   * @param bandwidth at which it is read
   */
  public record Cache(long bytes, Rate bandwidth) {}

  /** A copy that cannot change. */
  public Device {
    peaks = peaks.isEmpty() ? Map.of() : Map.copyOf(new EnumMap<>(peaks));
    notes = List.copyOf(notes);
  }

  /** A device of which nothing is known but its kind. */
  public static Device unknown(String name, DeviceKind kind) {
    return new Device(name, kind, "", null, null, null, Map.of(), null, List.of());
  }

  /** Peak of the arithmetic that large products of this precision use; null if it has none. */
  public @Nullable Rate matmulPeak(Precision p) {
    return peaks.get(kind.matmulArithmetic(p));
  }

  /** Peak of the arithmetic that attention uses at this precision. */
  public @Nullable Rate attentionPeak(Precision p) {
    return peaks.get(kind.attentionArithmetic(p));
  }

  /** The same with the user's figures in place of the table's; null leaves a figure as it is. */
  public Device overridden(
      @Nullable Double peakFlopsPerSecond,
      @Nullable Double bytesPerSecond,
      @Nullable Long memory,
      Precision precision) {
    Map<Precision, Rate> newPeaks = new EnumMap<>(Precision.class);
    newPeaks.putAll(peaks);
    if (peakFlopsPerSecond != null) {
      Rate given = new Rate(peakFlopsPerSecond, "given by the user", false);
      newPeaks.put(kind.matmulArithmetic(precision), given);
      newPeaks.putIfAbsent(kind.attentionArithmetic(precision), given);
    }
    Rate newBandwidth =
        bytesPerSecond == null ? bandwidth : new Rate(bytesPerSecond, "given by the user", false);
    return new Device(
        name,
        kind,
        architecture,
        memory == null ? memoryBytes : memory,
        newBandwidth,
        cache,
        newPeaks,
        tdpWatts,
        notes);
  }
}
