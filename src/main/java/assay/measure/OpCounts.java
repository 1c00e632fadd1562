package assay.measure;

/**
 * What operations computed and moved. Bytes are compulsory traffic: every operand read once and
 * every result written once per call, whatever caches do.
 *
 * @param calls operations
 * @param flops floating-point operations
 * @param weightBytes weights, gains and biases read
 * @param kvReadBytes read from the KV cache
 * @param kvWriteBytes written to it
 * @param otherBytes everything else read and written: activations, tables, tokens
 */
public record OpCounts(
    long calls,
    long flops,
    long weightBytes,
    long kvReadBytes,
    long kvWriteBytes,
    long otherBytes) {
  static final OpCounts NONE = new OpCounts(0, 0, 0, 0, 0, 0);

  OpCounts plus(OpCounts o) {
    return new OpCounts(
        calls + o.calls,
        flops + o.flops,
        weightBytes + o.weightBytes,
        kvReadBytes + o.kvReadBytes,
        kvWriteBytes + o.kvWriteBytes,
        otherBytes + o.otherBytes);
  }

  /** What decode is bound by: weights and KV cache read. */
  public long streamedBytes() {
    return weightBytes + kvReadBytes;
  }

  /** All traffic. */
  public long bytes() {
    return weightBytes + kvReadBytes + kvWriteBytes + otherBytes;
  }
}
