package assay.tokenizer;

/** Encodes a stretch of text that holds no special tokens. */
interface Encoder {
  /**
   * Appends the ids of bytes [from, to).
   *
   * @param first whether the stretch begins the text or follows a special token
   */
  void encode(byte[] text, int from, int to, boolean first, IntList out);
}
