package assay.backend;

import assay.tensor.Tensor;

/**
 * What a back end may offer beyond the operations of a transformer, so that its ceilings can be
 * measured. A large matrix product needs no probe: {@link Backend#matmul} is one.
 */
public interface CeilingProbe {
  /**
   * Enqueues one read of every byte of a tensor by this device's fastest streaming code, and the
   * sum of all elements, from which the caller sees that they were really read. The order of the
   * sum is free.
   *
   * @param memory F32, dense, far larger than any cache
   * @param sum F32 [1, 1], out
   */
  void readSweep(Tensor memory, Tensor sum);

  /** In words, how the sweep reads; for the result. */
  String sweepKind();

  /**
   * Enqueues fused multiply-adds of fp32 by every thread, one factor of each from the first-level
   * cache: what the arithmetic gives at this moment. Its own fixed piece of work of about a
   * millisecond, unlike any product of a model.
   *
   * @param result F32 [1, 1], out: some number that depends on all of it
   * @return floating-point operations done
   */
  double arithmeticSweep(Tensor result);
}
