package assay.model;

/**
 * One weight tensor of a model.
 *
 * @param role what it is for
 * @param layer block that it belongs to, −1 outside the blocks
 * @param rows output width (times the number of experts), or 1 for a vector
 * @param columns input width, or the vector's length
 */
public record TensorSpec(WeightRole role, int layer, long rows, long columns) {
  /** Parameters in it. */
  public long elements() {
    return Math.multiplyExact(rows, columns);
  }

  /** The type it is stored in at a precision: matrices in the precision's type, vectors in fp32. */
  public DType storedType(Precision precision) {
    return role.isMatrix() && role != WeightRole.ROUTER ? precision.weightType() : DType.F32;
  }

  /** Bytes at a precision, scales and padding to whole blocks included. */
  public long storedBytes(Precision precision) {
    return storedType(precision).bytes(rows, columns);
  }

  @Override
  public String toString() {
    return (layer < 0 ? "" : "layer " + layer + " ")
        + role
        + " ["
        + (role.isMatrix() ? rows + ", " : "")
        + columns
        + "]";
  }
}
