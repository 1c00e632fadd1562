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
 * Time of a pass: for each operation its arithmetic and reading its weights and keys, the one
 * mostly hidden behind the other ({@link OpTime#seconds}), each at the share of the device's rate
 * that the constants give (Williams, Waterman, Patterson 2009, applied operation by operation); on
 * top of it the activations that it moves and a cost per launch; then a cost per pass.
 *
 * <p>A matrix product's rate grows with its rows; one of few rows takes a kernel that streams the
 * weights where that is the better one.
 */
public final class Roofline {
  /** Queries of a sequence up to which attention takes a kernel of its own. */
  private static final int FEW_QUERIES = 7;

  private final Map<Coefficient, Double> values;
  private final double matmulPeak;
  private final double attentionPeak;
  private final double bandwidth;
  private final Device.@Nullable Cache cache;
  private final int fewRows;

  private Roofline(
      Map<Coefficient, Double> values,
      double matmulPeak,
      double attentionPeak,
      double bandwidth,
      Device.@Nullable Cache cache,
      int fewRows) {
    this.values = values;
    this.matmulPeak = matmulPeak;
    this.attentionPeak = attentionPeak;
    this.bandwidth = bandwidth;
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
    Map<Coefficient, Double> values = new EnumMap<>(Coefficient.class);
    for (Coefficient c : Coefficient.values()) {
      values.put(c, constants.value(c, precision));
    }
    return new Roofline(
        values,
        peak.perSecond(),
        attention.perSecond(),
        bandwidth.perSecond(),
        device.cache(),
        device.kind().fewRows());
  }

  /**
   * The same at another pace of the device, such as a host's whose neighbours slow it down.
   *
   * @param arithmetic factor on the peaks
   * @param memory factor on the bandwidth; the cache keeps its own
   */
  public Roofline at(double arithmetic, double memory) {
    return new Roofline(
        values,
        matmulPeak * arithmetic,
        attentionPeak * arithmetic,
        bandwidth * memory,
        cache,
        fewRows);
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
            case ATTENTION -> product(o, o.flops() / attentionRate(pass.shape().tokens()), keys);
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
   * Share of the pass's weights and keys that is read from the cache: what it keeps of them.
   * Last-level caches keep part of a working set that is read round and round, however large it is,
   * where least recently used ones would keep nothing (Qureshi et al. 2007, adaptive insertion
   * policies).
   */
  private double cacheShare(PassCost pass) {
    if (cache == null) {
      return 0;
    }
    double fits = value(CACHE_SHARE) * cache.bytes() / (pass.weightBytes() + pass.kvReadBytes());
    return Math.min(1, fits);
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

  private double attentionRate(int queries) {
    Coefficient c = queries > FEW_QUERIES ? ATTENTION_EFFICIENCY : DECODE_ATTENTION_EFFICIENCY;
    return attentionPeak * value(c);
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
