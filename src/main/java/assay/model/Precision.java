package assay.model;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * The precision modes that are compared. Each fixes how weight matrices are stored; vectors (norm
 * gains and biases) always stay in fp32. What arithmetic a device uses for a mode is the device's
 * to say and is reported with the result.
 */
public enum Precision {
  FP32(DType.F32, DType.F32),
  /** fp32 in memory, multiplied on tensor cores with 10 fraction bits; GPUs only. */
  TF32(DType.F32, DType.F32),
  FP16(DType.F16, DType.F16),
  BF16(DType.BF16, DType.BF16),
  /** e4m3 weights with one fp32 factor per matrix, kept by the host; GPUs only. */
  FP8(DType.F8E4M3, DType.BF16),
  INT8(DType.Q8_0, DType.F16),
  INT4(DType.Q4_0, DType.F16);

  private final DType weightType;
  private final DType kvCacheType;

  Precision(DType weightType, DType kvCacheType) {
    this.weightType = weightType;
    this.kvCacheType = kvCacheType;
  }

  /** Storage of every weight matrix, the embedding and the head among them. */
  public DType weightType() {
    return weightType;
  }

  /** Storage of the KV cache unless the user asks for another. */
  public DType kvCacheType() {
    return kvCacheType;
  }

  /** The name in commands and results: {@code fp32}, {@code int8}, … */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The precision of that name.
   *
   * @throws UserError for any other name
   */
  public static Precision of(String label) {
    for (Precision p : values()) {
      if (p.label().equals(label.toLowerCase(Locale.ROOT))) {
        return p;
      }
    }
    String known = Arrays.stream(values()).map(Precision::label).collect(Collectors.joining(", "));
    throw new UserError("unknown precision '" + label + "': expected one of " + known);
  }
}
