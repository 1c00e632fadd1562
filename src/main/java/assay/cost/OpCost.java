package assay.cost;

import assay.model.OpKind;

/**
 * What one operation of a pass computes and moves, over all its launches. Bytes are compulsory
 * traffic: every operand read once, every result written once per launch, whatever caches do.
 *
 * @param name what it is in the forward pass: {@code qkv}, {@code down}, …
 * @param kind the operation
 * @param part what it counts towards
 * @param launches how often the pass calls it
 * @param rows rows of its input per launch: sequences × tokens (× active experts)
 * @param flops floating-point operations; a multiply-add is 2, a transcendental function 1
 * @param weightBytes weights, gains, biases and tables read
 * @param kvReadBytes read from the KV cache
 * @param kvWriteBytes written to the KV cache
 * @param activationBytes read and written of everything else
 */
public record OpCost(
    String name,
    OpKind kind,
    Part part,
    long launches,
    long rows,
    long flops,
    long weightBytes,
    long kvReadBytes,
    long kvWriteBytes,
    long activationBytes) {

  /** Everything that it moves. */
  public long bytes() {
    return weightBytes + kvReadBytes + kvWriteBytes + activationBytes;
  }

  /** The same operation {@code count} times: the layers of a model are alike. */
  OpCost times(long count) {
    return new OpCost(
        name,
        kind,
        part,
        Math.multiplyExact(launches, count),
        rows,
        Math.multiplyExact(flops, count),
        Math.multiplyExact(weightBytes, count),
        Math.multiplyExact(kvReadBytes, count),
        Math.multiplyExact(kvWriteBytes, count),
        Math.multiplyExact(activationBytes, count));
  }
}
