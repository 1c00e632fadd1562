package assay.estimate;

import assay.cost.SessionSize;
import assay.model.ModelConfig;
import assay.units.Bytes;

/**
 * Scratch memory of each kind of back end, by the formula that it documents. A term of its own:
 * everything else in a session's memory follows from the model.
 */
public final class Scratch {
  private Scratch() {}

  /** Bytes of scratch for a session. */
  public static long bytes(DeviceKind kind, ModelConfig config, SessionSize size) {
    return switch (kind) {
      case REFERENCE, CPU -> 0;
      // NVIDIA recommends 32 MiB for cuBLAS on Hopper, 4 MiB elsewhere; ours sets the larger.
      case CUDA -> 32 * Bytes.MIB;
    };
  }
}
