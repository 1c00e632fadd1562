package assay.tokenizer;

import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** A tokenizer that has nothing but a chat template. */
public record OnlyTemplate(@Nullable String template) implements Tokenizer {
  @Override
  public String kind() {
    return "none";
  }

  @Override
  public VocabularyCount vocabulary() {
    return new VocabularyCount(0, 0, 0);
  }

  @Override
  public boolean has(int id) {
    return false;
  }

  @Override
  public int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
    return new int[0];
  }

  @Override
  public byte[] decode(int[] ids, boolean withSpecial) {
    return new byte[0];
  }

  @Override
  public OptionalInt beginToken() {
    return OptionalInt.empty();
  }

  @Override
  public OptionalInt endToken() {
    return OptionalInt.empty();
  }

  @Override
  public Set<Integer> stopTokens() {
    return Set.of();
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.ofNullable(template);
  }
}
