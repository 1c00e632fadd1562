package assay.backend;

import assay.tensor.Tensor;

/**
 * What a device's own library and copy engine reach beyond the operations of a transformer, so that
 * they can be measured as ceilings.
 */
public interface LibraryProbe {
  /**
   * Enqueues a copy of all bytes within the device's memory: each is read once and written once.
   *
   * @param from dense
   * @param to dense, of the same size
   */
  void copy(Tensor from, Tensor to);

  /**
   * Enqueues the library's product of whole numbers, out = x·weightᵀ, exact in 32 bits. No model is
   * run by it: weights in 8 bits have a scale for every 32 elements.
   *
   * @param x I8 [n, in], in and the row stride multiples of 4
   * @param weight I8 [out, in], likewise
   * @param out I32 [n, out]
   */
  void multiplyIntegers(Tensor x, Tensor weight, Tensor out);

  /**
   * Enqueues the library's product of e4m3 matrices, out = x·weightᵀ with sums in fp32.
   *
   * @param x F8E4M3 [n, in], in and the row stride multiples of 16
   * @param weight F8E4M3 [out, in], out a multiple of 16 too
   * @param out BF16 [n, out]
   * @return false, having done nothing, where the card or its library has no such product
   */
  boolean multiplyF8(Tensor x, Tensor weight, Tensor out);
}
