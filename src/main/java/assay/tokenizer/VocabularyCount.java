package assay.tokenizer;

/**
 * Entries of a vocabulary.
 *
 * @param ordinary what texts are made of
 * @param special control tokens and such as were added to the trained vocabulary
 * @param unused placeholders
 */
public record VocabularyCount(int ordinary, int special, int unused) {
  /** All of them. */
  public int total() {
    return ordinary + special + unused;
  }
}
