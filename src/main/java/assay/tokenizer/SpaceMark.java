package assay.tokenizer;

/** U+2581, which SentencePiece writes for a space. */
final class SpaceMark {
  static final char CHAR = '\u2581';

  private static final byte[] BYTES = {(byte) 0xe2, (byte) 0x96, (byte) 0x81};

  private SpaceMark() {}

  /** Length of its UTF-8. */
  static int length() {
    return BYTES.length;
  }

  /** Writes it at {@code at} and returns where it ends. */
  static int put(byte[] out, int at) {
    System.arraycopy(BYTES, 0, out, at, BYTES.length);
    return at + BYTES.length;
  }

  /** Whether it stands at {@code at}. */
  static boolean at(byte[] text, int at, int end) {
    return end - at >= BYTES.length
        && text[at] == BYTES[0]
        && text[at + 1] == BYTES[1]
        && text[at + 2] == BYTES[2];
  }
}
