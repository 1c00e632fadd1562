package assay.estimate;

import assay.cost.MemoryCost;
import assay.cost.SessionSize;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import java.util.function.Function;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/**
 * The largest that fits. Everything that a session allocates and the fixed overhead must lie within
 * the device's memory; null where that is not known.
 *
 * @param largestBatch at the request's context; 0 when not even one sequence fits
 * @param longestContext at the request's batch, at most the model's positions; 0 when nothing fits
 * @param fewestDevices that share the model by tensor (and, beyond the heads, by pipeline)
 *     parallelism; null also when no number of them is enough
 */
public record Capacity(
    @Nullable Integer largestBatch,
    @Nullable Integer longestContext,
    @Nullable Integer fewestDevices) {
  private static final int MOST_SEQUENCES = 1 << 20;
  private static final int MOST_DEVICES = 1 << 12;

  /** Searches all three. */
  public static Capacity of(InferenceRequest r, Device device, Constants constants) {
    Long memory = device.memoryBytes();
    if (memory == null) {
      return new Capacity(null, null, null);
    }
    long room = memory - Math.round(constants.value(Coefficient.OVERHEAD_BYTES, r.precision()));
    int context = r.size().contextTokens();
    int batch = r.size().batch();
    return new Capacity(
        largest(MOST_SEQUENCES, b -> fits(r, b, context, Parallelism.NONE, room)),
        largest(r.config().maxSeqLen(), s -> fits(r, batch, s, Parallelism.NONE, room)),
        fewestDevices(r, room));
  }

  private static @Nullable Integer fewestDevices(InferenceRequest r, long room) {
    ModelConfig c = r.config();
    for (int n = 1; n <= Math.min(MOST_DEVICES, (long) c.nHeads() * c.nLayers()); n++) {
      Parallelism p = spread(c, n);
      if (p != null && fits(r, r.size().batch(), r.size().contextTokens(), p, room)) {
        return n;
      }
    }
    return null;
  }

  /**
   * {@code devices} as tensor parallelism as wide as the heads allow, the rest as pipeline; null
   * where the heads or layers do not divide.
   */
  public static @Nullable Parallelism spread(ModelConfig c, int devices) {
    for (int tensor = Math.min(devices, c.nHeads()); tensor >= 1; tensor--) {
      if (devices % tensor == 0 && devices / tensor <= c.nLayers()) {
        Parallelism p = new Parallelism(1, 0, tensor, devices / tensor);
        if (divides(c, p)) {
          return p;
        }
      }
    }
    return null;
  }

  private static boolean divides(ModelConfig c, Parallelism p) {
    return c.nHeads() % p.tensor() == 0
        && (c.nKvHeads() % p.tensor() == 0 || p.tensor() % c.nKvHeads() == 0);
  }

  private static boolean fits(
      InferenceRequest r, int batch, int context, Parallelism p, long room) {
    try {
      return bytesPerDevice(r, batch, context, p) <= room;
    } catch (ArithmeticException e) {
      return false; // more than a long can count
    }
  }

  /** Bytes that the session allocates on the fullest device of a group, without overhead. */
  public static long bytesPerDevice(InferenceRequest r, int batch, int context, Parallelism p) {
    ModelConfig c = r.config();
    SessionSize size = r.size().withShape(batch, context);
    if (p.devices() == 1) {
      return memory(r, c, size).totalReservedBytes();
    }
    if (p.data() > 1) {
      throw new UserError("replicas share nothing at inference: expected tensor or pipeline");
    }
    InferenceRequest shared = r.share(p);
    ModelConfig share = shared.config();
    long all = memory(shared, share, size).totalReservedBytes();
    boolean oneTableLess = p.pipeline() > 1 && !c.tiedEmbeddings();
    return all
        - (oneTableLess
            ? r.precision().weightType().bytes(share.vocabSize(), share.hiddenSize())
            : 0);
  }

  private static MemoryCost memory(InferenceRequest r, ModelConfig c, SessionSize size) {
    Function<TensorSpec, DType> own = r.storedType();
    Function<TensorSpec, DType> types = own == null ? t -> t.storedType(r.precision()) : own;
    return MemoryCost.of(c, size, r.scratchBytes(), types, r.adapter());
  }

  /** The largest of 1…most for which the test holds, 0 if none; it must fail from some point on. */
  private static int largest(int most, IntPredicate test) {
    int good = 0;
    int bad = most + 1;
    while (bad - good > 1) {
      int middle = good + (bad - good) / 2;
      if (test.test(middle)) {
        good = middle;
      } else {
        bad = middle;
      }
    }
    return good;
  }
}
