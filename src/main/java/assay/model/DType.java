package assay.model;

/**
 * Storage formats and their exact bytes: the one home of "how many bytes does this take". Block
 * formats store {@link #blockElements} consecutive elements of one row in {@link #blockBytes} bytes
 * (scales included); a row whose length is no multiple of the block is padded with zeros to whole
 * blocks.
 *
 * <p>The block layouts are those of GGUF (ggml-quants): see {@code BlockFormats} in {@code tensor}
 * for the arithmetic.
 */
public enum DType {
  F32(1, 4),
  F16(1, 2),
  BF16(1, 2),
  /** OCP 8-bit float, 4 exponent and 3 fraction bits, no infinities. */
  F8E4M3(1, 1),
  I32(1, 4),
  I64(1, 8),
  I8(1, 1),
  U8(1, 1),
  /** 32 int8 and one fp16 scale: claim F4's 34/32 bytes. */
  Q8_0(32, 34),
  /** 32 4-bit values and one fp16 scale: claim F4's 18/32 bytes. */
  Q4_0(32, 18),
  Q4_1(32, 20),
  Q5_0(32, 22),
  Q5_1(32, 24),
  Q4_K(256, 144),
  Q5_K(256, 176),
  Q6_K(256, 210);

  private final int blockElements;
  private final int blockBytes;

  DType(int blockElements, int blockBytes) {
    this.blockElements = blockElements;
    this.blockBytes = blockBytes;
  }

  /** Elements per block; 1 for plain types. */
  public int blockElements() {
    return blockElements;
  }

  /** Bytes per block, scales included. */
  public int blockBytes() {
    return blockBytes;
  }

  /** True where several elements share a scale. */
  public boolean isBlocked() {
    return blockElements > 1;
  }

  /** Bytes of one row of {@code columns} elements, padded to whole blocks. */
  public long rowBytes(long columns) {
    if (columns < 0) {
      throw new IllegalArgumentException("columns " + columns);
    }
    return Math.multiplyExact(Math.ceilDiv(columns, blockElements), (long) blockBytes);
  }

  /** Bytes of {@code rows} rows of {@code columns} elements. */
  public long bytes(long rows, long columns) {
    return Math.multiplyExact(rows, rowBytes(columns));
  }
}
