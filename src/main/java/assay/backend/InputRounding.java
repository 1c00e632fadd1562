package assay.backend;

/**
 * How a device rounds the activations that enter a matrix product, beyond what it rounds when it
 * stores them. Tolerances of the check against the reference follow from it; {@link
 * Backend#arithmetic} says the same in words.
 */
public enum InputRounding {
  /** Used as they are stored. */
  NONE,
  /** To fp16: 10 fraction bits. */
  FP16,
  /** To bf16: 7 fraction bits. */
  BF16,
  /** To 10 fraction bits, weights too. */
  TF32,
  /**
   * To e4m3, 3 fraction bits, divided by the smallest power of two for each row that brings its
   * largest magnitude to 448 or less.
   */
  FP8_ROWS,
  /** To int8 with one factor for each 32 elements of a row: largest magnitude / 127. */
  INT8_BLOCKS,
  /** To int8 with one factor for each row. */
  INT8_ROWS
}
