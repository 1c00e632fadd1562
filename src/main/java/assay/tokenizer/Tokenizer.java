package assay.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Text to token ids and back. Works on bytes: a file need not be UTF-8, a token need not either.
 */
public interface Tokenizer extends AutoCloseable {
  /** In words, which kind it is: {@code byte-level BPE (qwen2)}. */
  String kind();

  /** Its entries by kind; the model's embedding may have more rows (claim M5). */
  VocabularyCount vocabulary();

  /** Whether the vocabulary has an entry of that id. */
  boolean has(int id);

  /**
   * The ids of a text. Invalid UTF-8 does not throw.
   *
   * @param addSpecial puts the begin and end tokens around it that the tokenizer asks for
   * @param parseSpecial turns the text of control tokens, {@code <|im_end|>} say, into those tokens
   */
  int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial);

  /** The ids of a text, nothing added and no control tokens looked for. */
  default int[] encode(String text) {
    return encode(text.getBytes(StandardCharsets.UTF_8), false, false);
  }

  /**
   * The bytes that ids stand for; the inverse of encoding. A token may be a part of a character.
   *
   * @param withSpecial writes control tokens as their text, else they are left out
   * @throws assay.model.UserError for an id that the vocabulary does not have
   */
  byte[] decode(int[] ids, boolean withSpecial);

  /** The text that ids stand for, without control tokens; malformed UTF-8 becomes U+FFFD. */
  default String decode(int[] ids) {
    return new String(decode(ids, false), StandardCharsets.UTF_8);
  }

  /** The token that begins a text. */
  OptionalInt beginToken();

  /** The token that ends a text. */
  OptionalInt endToken();

  /** Tokens after which generation stops: end of text, end of turn. */
  Set<Integer> stopTokens();

  /** The Jinja template that turns a conversation into a prompt. */
  Optional<String> chatTemplate();

  @Override
  default void close() {}
}
