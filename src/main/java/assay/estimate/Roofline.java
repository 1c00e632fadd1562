package assay.estimate;

import static assay.estimate.Coefficient.*;

import assay.cost.OpCost;
import assay.cost.PassCost;
import assay.cost.PhaseCost;
import assay.model.OpKind;
import assay.model.Precision;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Time of a pass: for each operation the larger of its arithmetic and its bytes, each at the share
 * of the device's rate that the constants give, and a cost per launch; then a cost per pass
 * (Williams, Waterman, Patterson 2009, applied operation by operation).
 *
 * <p>A matrix product's rate grows with its rows; one of few rows takes a kernel that streams the
 * weights where that is the better one.
 */
public final class Roofline {
  /** Products of at most this many rows have a kernel of their own in common back ends. */
  private static final long FEW_ROWS = 16;

  private final Map<Coefficient, Double> values = new EnumMap<>(Coefficient.class);
  private final double matmulPeak;
  private final double attentionPeak;
  private final double bandwidth;
  private final Device.@Nullable Cache cache;

  private Roofline(
      Precision precision,
      Constants constants,
      Rate matmulPeak,
      Rate attentionPeak,
      Rate bandwidth,
      Device.@Nullable Cache cache) {
    for (Coefficient c : Coefficient.values()) {
      values.put(c, constants.value(c, precision));
    }
    this.matmulPeak = matmulPeak.perSecond();
    this.attentionPeak = attentionPeak.perSecond();
    this.bandwidth = bandwidth.perSecond();
    this.cache = cache;
  }

  /** The roofline of a device at a precision; null where a peak or the bandwidth is not known. */
  public static @Nullable Roofline of(Device device, Precision precision, Constants constants) {
    Rate peak = device.matmulPeak(precision);
    Rate attention = device.attentionPeak(precision);
    Rate bandwidth = device.bandwidth();
    if (peak == null || attention == null || bandwidth == null) {
      return null;
    }
    return new Roofline(precision, constants, peak, attention, bandwidth, device.cache());
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
    double weightRate = memoryRate(pass) * value(WEIGHT_BANDWIDTH_EFFICIENCY);
    List<OpTime> out = new ArrayList<>();
    for (OpCost o : pass.ops()) {
      double launches = o.launches() * value(LAUNCH_SECONDS);
      out.add(
          switch (o.kind()) {
            case MATMUL -> matmul(o, weightRate, launches);
            case ATTENTION -> attention(o, memoryRate(pass), launches);
            default ->
                new OpTime(
                    o,
                    0,
                    o.bytes() / (bandwidth * value(ELEMENTWISE_BANDWIDTH_EFFICIENCY)),
                    launches);
          });
    }
    return out;
  }

  /** Memory's rate, or the cache's when one pass's weights and keys stay in it. */
  private double memoryRate(PassCost pass) {
    if (cache != null && pass.weightBytes() + pass.kvReadBytes() <= cache.bytes()) {
      return cache.bandwidth().perSecond();
    }
    return bandwidth;
  }

  private OpTime matmul(OpCost o, double weightRate, double launches) {
    double memory = o.bytes() / weightRate;
    double rows = o.rows();
    double rate = matmulPeak * value(MATMUL_EFFICIENCY) * rows / (rows + value(MATMUL_HALF_ROWS));
    double compute = o.flops() / rate;
    if (o.rows() <= FEW_ROWS) {
      compute = Math.min(compute, o.flops() / (matmulPeak * value(MATVEC_EFFICIENCY)));
    }
    return new OpTime(o, compute, memory, launches);
  }

  private OpTime attention(OpCost o, double rate, double launches) {
    if (o.kind() != OpKind.ATTENTION) {
      throw new IllegalArgumentException(o.name());
    }
    return new OpTime(
        o,
        o.flops() / (attentionPeak * value(ATTENTION_EFFICIENCY)),
        o.bytes() / (rate * value(ATTENTION_BANDWIDTH_EFFICIENCY)),
        launches);
  }

  private double value(Coefficient c) {
    return values.getOrDefault(c, Double.NaN);
  }
}
