package assay.estimate;

import static assay.estimate.Coefficient.*;

import assay.cost.OpCost;
import assay.cost.PassCost;
import assay.cost.PhaseCost;
import assay.model.Precision;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Time of a pass: for each operation the larger of its arithmetic and of reading its weights and
 * keys, each at the share of the device's rate that the constants give (Williams, Waterman,
 * Patterson 2009, applied operation by operation); on top of it the activations that it moves and a
 * cost per launch; then a cost per pass.
 *
 * <p>A matrix product's rate grows with its rows; one of few rows takes a kernel that streams the
 * weights where that is the better one.
 */
public final class Roofline {
  /** Queries of a sequence up to which attention takes a kernel of its own. */
  private static final int FEW_QUERIES = 7;

  private final Map<Coefficient, Double> values = new EnumMap<>(Coefficient.class);
  private final double matmulPeak;
  private final double attentionPeak;
  private final double bandwidth;
  private final Device.@Nullable Cache cache;
  private final int fewRows;

  private Roofline(
      Precision precision,
      Constants constants,
      Rate matmulPeak,
      Rate attentionPeak,
      Rate bandwidth,
      Device.@Nullable Cache cache,
      int fewRows) {
    for (Coefficient c : Coefficient.values()) {
      values.put(c, constants.value(c, precision));
    }
    this.matmulPeak = matmulPeak.perSecond();
    this.attentionPeak = attentionPeak.perSecond();
    this.bandwidth = bandwidth.perSecond();
    this.cache = cache;
    this.fewRows = fewRows;
  }

  /** The roofline of a device at a precision; null where a peak or the bandwidth is not known. */
  public static @Nullable Roofline of(Device device, Precision precision, Constants constants) {
    Rate peak = device.matmulPeak(precision);
    Rate attention = device.attentionPeak(precision);
    Rate bandwidth = device.bandwidth();
    if (peak == null || attention == null || bandwidth == null) {
      return null;
    }
    return new Roofline(
        precision, constants, peak, attention, bandwidth, device.cache(), device.kind().fewRows());
  }

  /** Seconds of all passes of a phase. */
  public double seconds(PhaseCost phase) {
    return phase.passes().stream().mapToDouble(this::seconds).sum();
  }

  /** Seconds of one pass. */
  public double seconds(PassCost pass) {
    double sum = value(PASS_SECONDS);
    for (OpTime t : ops(pass)) {
      sum += t.seconds();
    }
    return sum;
  }

  /** Each operation's time; they sum to the pass but for the cost per pass. */
  public List<OpTime> ops(PassCost pass) {
    double hit = cacheShare(pass);
    double weights = weightSecondsPerByte(hit);
    double keys = 1 / (bandwidth * value(ATTENTION_BANDWIDTH_EFFICIENCY));
    List<OpTime> out = new ArrayList<>();
    for (OpCost o : pass.ops()) {
      out.add(
          switch (o.kind()) {
            case MATMUL -> product(o, matmulSeconds(o), weights);
            case ATTENTION ->
                pass.shape().tokens() > FEW_QUERIES
                    ? product(o, o.flops() / (attentionPeak * value(ATTENTION_EFFICIENCY)), keys)
                    : fewQueries(o, keys);
            default ->
                new OpTime(
                    o,
                    0,
                    o.bytes() / (bandwidth * value(ELEMENTWISE_BANDWIDTH_EFFICIENCY)),
                    0,
                    o.launches() * value(SMALL_LAUNCH_SECONDS));
          });
    }
    return out;
  }

  /**
   * Share of the pass's weights and keys that is read from the cache. A working set that is larger
   * than what the cache keeps drives itself out, more than in proportion.
   */
  private double cacheShare(PassCost pass) {
    if (cache == null) {
      return 0;
    }
    double fits = value(CACHE_SHARE) * cache.bytes() / (pass.weightBytes() + pass.kvReadBytes());
    return fits >= 1 ? 1 : fits * fits * fits;
  }

  private double weightSecondsPerByte(double hit) {
    double memory = (1 - hit) / (bandwidth * value(WEIGHT_BANDWIDTH_EFFICIENCY));
    return cache == null
        ? memory
        : memory + hit / (cache.bandwidth().perSecond() * value(CACHE_BANDWIDTH_EFFICIENCY));
  }

  private double matmulSeconds(OpCost o) {
    double rows = o.rows();
    double rate = matmulPeak * value(MATMUL_EFFICIENCY) * rows / (rows + value(MATMUL_HALF_ROWS));
    double compute = o.flops() / rate;
    return o.rows() <= fewRows
        ? Math.min(compute, o.flops() / (matmulPeak * value(MATVEC_EFFICIENCY)))
        : compute;
  }

  /** Each key is fetched and converted, then multiplied: one after the other, not at once. */
  private OpTime fewQueries(OpCost o, double secondsPerByte) {
    double compute = o.flops() / (attentionPeak * value(DECODE_ATTENTION_EFFICIENCY));
    double keys = (o.bytes() - o.activationBytes()) * secondsPerByte;
    return product(o, compute + keys, secondsPerByte);
  }

  /** An operation that reads weights or keys and computes with them. */
  private OpTime product(OpCost o, double compute, double secondsPerByte) {
    return new OpTime(
        o,
        compute,
        (o.bytes() - o.activationBytes()) * secondsPerByte,
        o.activationBytes() / (bandwidth * value(ELEMENTWISE_BANDWIDTH_EFFICIENCY)),
        o.launches() * value(LAUNCH_SECONDS));
  }

  private double value(Coefficient c) {
    return values.getOrDefault(c, Double.NaN);
  }
}
