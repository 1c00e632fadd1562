package assay.cost;

import assay.model.DType;

/**
 * One buffer that a session holds.
 *
 * @param name what it is
 * @param category what it counts towards
 * @param type stored type
 * @param rows rows
 * @param columns elements per row
 */
public record BufferSpec(String name, MemoryKind category, DType type, long rows, long columns) {
  /** Devices grant each buffer from a multiple of this on. */
  public static final long ALIGNMENT_BYTES = 256;

  /** Exact bytes. */
  public long bytes() {
    return type.bytes(rows, columns);
  }

  /** Bytes with the padding to the next buffer. */
  public long reservedBytes() {
    return Math.multiplyExact(Math.ceilDiv(bytes(), ALIGNMENT_BYTES), ALIGNMENT_BYTES);
  }
}
