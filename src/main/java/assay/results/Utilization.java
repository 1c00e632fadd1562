package assay.results;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Measured rates over ceilings, prefill and decode never mixed.
 *
 * @param prefillMfu model FLOP/s over the peak of the precision's own arithmetic
 * @param decodeMfu the same for decode, whose products of few rows may use other arithmetic
 * @param decodeMbu (weights + KV cache read) per second over the bandwidth
 * @param deviceBusy share of the timed region in which the device computed
 * @param othersBusy on a host, share of all processors that other processes used while this was
 *     timed
 * @param rule the band of claim C5, [0.30, 0.55]
 * @param prefillVerdict where prefill's MFU lies
 * @param decodeVerdict where decode's MFU lies
 * @param prefillGemmShare model FLOP/s over what this very device reached in a large product of
 *     that precision, measured beside; the same as the MFU where no datasheet gives a peak
 * @param decodeGemmShare the same for decode
 */
public record Utilization(
    @Nullable Double prefillMfu,
    @Nullable Double decodeMfu,
    @Nullable Double decodeMbu,
    @Nullable Double deviceBusy,
    @Nullable Double othersBusy,
    List<Double> rule,
    @Nullable Verdict prefillVerdict,
    @Nullable Verdict decodeVerdict,
    @Nullable Double prefillGemmShare,
    @Nullable Double decodeGemmShare) {

  /** Claim C5: utilisation lies between these. */
  public static final List<Double> RULE = List.of(0.30, 0.55);

  /** Checks every number. */
  public Utilization {
    Numbers.fraction("utilization.prefill_mfu", prefillMfu);
    Numbers.fraction("utilization.decode_mfu", decodeMfu);
    Numbers.fraction("utilization.decode_mbu", decodeMbu);
    Numbers.fraction("utilization.device_busy", deviceBusy);
    Numbers.fraction("utilization.others_busy", othersBusy);
    Numbers.fraction("utilization.prefill_gemm_share", prefillGemmShare);
    Numbers.fraction("utilization.decode_gemm_share", decodeGemmShare);
    rule = rule == null ? RULE : List.copyOf(rule);
  }

  /** Where a utilisation lies against the rule. */
  public enum Verdict {
    BELOW,
    WITHIN,
    ABOVE;

    /** The verdict on a utilisation, by {@link #RULE}; the ends are within. */
    public static @Nullable Verdict of(@Nullable Double utilization) {
      if (utilization == null) {
        return null;
      }
      return utilization < RULE.get(0) ? BELOW : utilization > RULE.get(1) ? ABOVE : WITHIN;
    }

    /** The name in results. */
    @JsonValue
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
