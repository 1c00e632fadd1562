package assay.estimate.training;

import assay.cost.MemoryKind;
import assay.estimate.Device;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Predicted bytes, FLOPs and seconds of training.
 *
 * @param request what was asked
 * @param device of each kind
 * @param parameters of the whole model
 * @param trainedParameters that get a gradient
 * @param bytes by kind on the fullest device
 * @param overheadBytes of that device beyond what the program allocates
 * @param terms activations of one micro-batch, before recomputation
 * @param flops of one step on all devices
 * @param utilization reckoned with
 * @param stepSeconds range of a step's time, or null without a peak
 * @param traffic bytes that one device sends in a step
 * @param warnings what the user should know before trusting this
 */
public record TrainingEstimate(
    TrainingRequest request,
    Device device,
    long parameters,
    long trainedParameters,
    Map<MemoryKind, Long> bytes,
    long overheadBytes,
    List<ActivationTerm> terms,
    TrainingFlops flops,
    Utilization utilization,
    @Nullable Range stepSeconds,
    List<Traffic> traffic,
    List<String> warnings) {
  /** Copies that cannot change. */
  public TrainingEstimate {
    bytes = Map.copyOf(new EnumMap<>(bytes));
    terms = List.copyOf(terms);
    traffic = List.copyOf(traffic);
    warnings = List.copyOf(warnings);
  }

  /**
   * A value with its ends.
   *
   * @param low lower end
   * @param value what is reckoned with
   * @param high upper end
   */
  public record Range(double low, double value, double high) {
    /** All three times a factor. */
    public Range times(double factor) {
      return new Range(low * factor, value * factor, high * factor);
    }
  }

  /** Bytes of one kind on the fullest device. */
  public long bytes(MemoryKind kind) {
    return bytes.getOrDefault(kind, 0L);
  }

  /** Everything on the fullest device. */
  public long totalBytes() {
    return bytes.values().stream().mapToLong(Long::longValue).reduce(overheadBytes, Math::addExact);
  }

  /** True or false where the device's memory is known, else null. */
  public @Nullable Boolean fits() {
    Long memory = device.memoryBytes();
    return memory == null ? null : totalBytes() <= memory;
  }

  /** Time of the whole training where its tokens and the step's time are known. */
  public @Nullable Range totalSeconds() {
    Double tokens = request.trainingTokens();
    return tokens == null || stepSeconds == null
        ? null
        : stepSeconds.times(tokens / request.tokensPerStep());
  }

  /** Bytes that one device sends in a step. */
  public long sentBytes() {
    return traffic.stream().mapToLong(Traffic::bytes).reduce(0, Math::addExact);
  }

  /**
   * Rate of a device's link below which sending alone takes longer than the step; null without a
   * time.
   */
  public @Nullable Double linkBytesPerSecond() {
    return stepSeconds == null ? null : Double.valueOf(sentBytes() / stepSeconds.value());
  }

  /** 6·N·D of one step (claim C2; Kaplan et al. 2020), N all parameters. */
  public double sixNd() {
    return 6.0 * parameters * request.tokensPerStep();
  }

  /** 8·N·D of one step, with recomputation (claim C3). */
  public double eightNd() {
    return 8.0 * parameters * request.tokensPerStep();
  }

  /** Claim C4: 8·D·N / (devices · peak · utilisation), for the reckoned utilisation. */
  public @Nullable Double ruleSeconds() {
    Double tokens = request.trainingTokens();
    var peak = device.peaks().get(request.types().arithmetic());
    return tokens == null || peak == null
        ? null
        : Double.valueOf(
            8.0
                * parameters
                * tokens
                / (request.parallelism().devices() * peak.perSecond() * utilization.value()));
  }
}
