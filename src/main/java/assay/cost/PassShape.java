package assay.cost;

/**
 * One forward pass.
 *
 * @param batch sequences
 * @param tokens tokens of each sequence in this pass
 * @param firstPosition position of the first of them: what the KV cache holds already
 * @param logits the pass ends with each sequence's last row through the head, and a token is drawn
 */
public record PassShape(int batch, int tokens, int firstPosition, boolean logits) {
  /** Checks the counts. */
  public PassShape {
    if (batch < 1 || tokens < 1 || firstPosition < 0) {
      throw new IllegalArgumentException(
          "batch %d, tokens %d, position %d".formatted(batch, tokens, firstPosition));
    }
  }

  /** Rows of the pass's tensors. */
  public long rows() {
    return (long) batch * tokens;
  }
}
