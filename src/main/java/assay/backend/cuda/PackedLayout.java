package assay.backend.cuda;

import assay.model.DType;

/**
 * How Q8_0 and Q4_0 matrices lie in device memory: the same bytes as the rows of 34- and 18-byte
 * blocks, in two planes, so that every load of weights is 16 aligned bytes.
 *
 * <ul>
 *   <li>Plane of quants, first: row after row, 32 (Q8_0) or 16 (Q4_0) bytes a block. The blocks of
 *       a row are taken in groups of 2 (Q8_0) or 4 (Q4_0), the last group may be smaller; m blocks
 *       in a group. A unit is 8 consecutive elements of one block: 8 (Q8_0) or 4 (Q4_0) bytes. Unit
 *       t (elements 8t … 8t+7, t = 0…3) of block j lies at unit t·m + j of its group. So piece t of
 *       a full group is 16 bytes: elements 8t … 8t+7 of each of its blocks, which is what a lane of
 *       a quad multiplies, with one scale per block for all four lanes.
 *   <li>Within a 4-byte unit of Q4_0, as a little-endian word: element 2i in bits 4i … 4i+3,
 *       element 2i+1 in bits 16+4i … 19+4i, so that {@code word >> 4i & 0x000f000f} is a pair of
 *       neighbours in the halves of a word.
 *   <li>Plane of scales, at {@link #scalesOffset}: fp16 [rows, blocks per row].
 * </ul>
 *
 * Kernels {@link Kernel#PACK} and {@link Kernel#UNPACK} convert. All other types stay row-major.
 */
final class PackedLayout {
  private PackedLayout() {}

  /** Whether matrices of this type are packed. */
  static boolean applies(DType type) {
    return type == DType.Q8_0 || type == DType.Q4_0;
  }

  /** Blocks per row. */
  static int blocksPerRow(int columns) {
    return Math.ceilDiv(columns, 32);
  }

  /** Bytes from the beginning of the matrix to its plane of scales. */
  static long scalesOffset(DType type, int rows, int columns) {
    long quantBytes = type == DType.Q8_0 ? 32 : 16;
    return Math.multiplyExact((long) rows * blocksPerRow(columns), quantBytes);
  }
}
