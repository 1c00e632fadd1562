package assay.estimate;

import assay.cost.SessionSize;
import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.Workload;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What inference is to be predicted.
 *
 * @param config the model
 * @param precision storage of weights
 * @param workload prompts and generated tokens
 * @param size of the session that runs it
 * @param scratchBytes the back end's own scratch
 * @param storedType types of a quantised checkpoint's own, or null for the precision's
 * @param adapter low-rank adapters that run unmerged, or null
 */
public record InferenceRequest(
    ModelConfig config,
    Precision precision,
    Workload workload,
    SessionSize size,
    long scratchBytes,
    @Nullable Function<TensorSpec, DType> storedType,
    @Nullable AdapterShape adapter) {

  /** Checks that the session holds the workload. */
  public InferenceRequest {
    if (size.contextTokens() < workload.kvSlots()) {
      throw new UserError(
          "a context of %d tokens does not hold a prompt of %d and %d generated tokens"
              .formatted(
                  size.contextTokens(), workload.promptTokens(), workload.generatedTokens()));
    }
  }

  /** Without adapters. */
  public InferenceRequest(
      ModelConfig config,
      Precision precision,
      Workload workload,
      SessionSize size,
      long scratchBytes,
      @Nullable Function<TensorSpec, DType> storedType) {
    this(config, precision, workload, size, scratchBytes, storedType, null);
  }

  /** The smallest session for a workload, on a kind of device; on a CPU with one thread. */
  public static InferenceRequest of(
      ModelConfig config, Precision precision, Workload workload, DeviceKind kind) {
    SessionSize size = SessionSize.of(precision, kind.activationType(precision), workload);
    return new InferenceRequest(
        config, precision, workload, size, Scratch.bytes(kind, config, size, 1), null);
  }

  /** What one device of a group runs; the back end's scratch stays as it is. */
  InferenceRequest share(Parallelism p) {
    return new InferenceRequest(
        p.share(config),
        precision,
        workload,
        size,
        scratchBytes,
        storedType,
        adapter == null ? null : p.share(adapter, config));
  }

  /** The same with the scratch that the back end itself names. */
  public InferenceRequest withScratch(long bytes) {
    return new InferenceRequest(config, precision, workload, size, bytes, storedType, adapter);
  }

  /** The same with weights in types of their own. */
  public InferenceRequest withStoredTypes(@Nullable Function<TensorSpec, DType> types) {
    return new InferenceRequest(config, precision, workload, size, scratchBytes, types, adapter);
  }

  /** The same with adapters beside the weights; null for none. */
  public InferenceRequest withAdapter(@Nullable AdapterShape shape) {
    return new InferenceRequest(config, precision, workload, size, scratchBytes, storedType, shape);
  }
}
