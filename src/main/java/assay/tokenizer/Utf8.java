package assay.tokenizer;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * UTF-8 to strings and back without loss: a byte that is no part of valid UTF-8 becomes the lone
 * low surrogate U+DC00 + byte (as in Python's PEP 383), which no valid text contains. Patterns then
 * see it as a character that is neither letter, number nor space.
 */
final class Utf8 {
  private static final char ESCAPE = 0xDC00;

  private Utf8() {}

  /** Length of the sequence that begins with this byte, by its high bits alone. */
  static int sequenceLength(byte first) {
    int b = first & 0xff;
    return b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
  }

  static String decode(byte[] bytes, int from, int to) {
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    ByteBuffer in = ByteBuffer.wrap(bytes, from, to - from);
    CharBuffer out = CharBuffer.allocate(to - from);
    while (true) {
      CoderResult r = decoder.decode(in, out, true);
      if (r.isUnderflow()) {
        return out.flip().toString();
      }
      if (r.isOverflow()) {
        throw new IllegalStateException("UTF-8 never has more chars than bytes");
      }
      for (int i = 0; i < r.length(); i++) {
        out.put((char) (ESCAPE + (in.get() & 0xff)));
      }
      decoder.reset();
    }
  }

  /** The bytes again. */
  static byte[] encode(CharSequence text) {
    try {
      ByteBuffer out =
          StandardCharsets.UTF_8
              .newEncoder()
              .onMalformedInput(CodingErrorAction.REPORT)
              .encode(CharBuffer.wrap(text));
      byte[] bytes = new byte[out.remaining()];
      out.get(bytes);
      return bytes;
    } catch (CharacterCodingException e) {
      return encodeEscaped(text);
    }
  }

  private static byte[] encodeEscaped(CharSequence text) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int i = 0; i < text.length(); ) {
      int c = Character.codePointAt(text, i);
      if (c >= ESCAPE + 0x80 && c <= ESCAPE + 0xff) {
        out.write(c - ESCAPE);
      } else {
        out.writeBytes(Character.toString(c).getBytes(StandardCharsets.UTF_8));
      }
      i += Character.charCount(c);
    }
    return out.toByteArray();
  }
}
