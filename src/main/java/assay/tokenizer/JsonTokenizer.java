package assay.tokenizer;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import assay.model.UserError;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A tokenizer.json, run by Hugging Face's own library (through DJL, with native code inside). The
 * only class that touches it: where the library is missing this class cannot be loaded, and {@link
 * Tokenizers} says so.
 *
 * <p>The library works on strings, so invalid UTF-8 becomes U+FFFD. It always turns the text of
 * special tokens into those tokens; where that is not wanted and a text quotes one, a second
 * instance that does not know them encodes it.
 */
final class JsonTokenizer implements Tokenizer {
  private final Path file;
  private final TokenizerFiles files;
  private final HuggingFaceTokenizer library;
  private @Nullable HuggingFaceTokenizer plain;

  private JsonTokenizer(Path file, TokenizerFiles files, HuggingFaceTokenizer library) {
    this.file = file;
    this.files = files;
    this.library = library;
  }

  static JsonTokenizer open(Path file, TokenizerFiles files) {
    configureLibrary();
    return new JsonTokenizer(file, files, instance(file, TokenizerFiles.bytes(file)));
  }

  private static HuggingFaceTokenizer instance(Path file, byte[] json) {
    // Its defaults cut texts at 512 tokens and pad batches.
    Map<String, String> options =
        Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false");
    try {
      return HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), options);
    } catch (EngineException e) { // its native code does not load
      UnsatisfiedLinkError missing = new UnsatisfiedLinkError(oneLine(e));
      missing.initCause(e);
      throw missing;
    } catch (IOException | RuntimeException e) {
      throw new UserError(file + ": the tokenizer library refuses it: " + oneLine(e));
    }
  }

  /** The library reads these when its classes are loaded; it takes no other way. */
  private static void configureLibrary() {
    String home = System.getenv("XDG_CACHE_HOME");
    Path cache =
        home == null || home.isEmpty()
            ? Path.of(System.getProperty("user.home"), ".cache")
            : Path.of(home);
    // Without it the library may try to download a build for a GPU.
    System.setProperty("ai.djl.offline", "true");
    System.setProperty("DJL_CACHE_DIR", cache.resolve("assay/tokenizers").toString());
  }

  private static String oneLine(Exception e) {
    String message = e.getMessage();
    return message == null
        ? e.getClass().getSimpleName()
        : message.lines().findFirst().orElse("no message");
  }

  @Override
  public String kind() {
    return files.model() + " (tokenizer.json)";
  }

  @Override
  public VocabularyCount vocabulary() {
    return files.count();
  }

  @Override
  public boolean has(int id) {
    return files.has(id);
  }

  @Override
  public int[] encode(byte[] text, boolean addSpecial, boolean parseSpecial) {
    String string = new String(text, StandardCharsets.UTF_8);
    HuggingFaceTokenizer with = parseSpecial || !files.quotesSpecial(string) ? library : plain();
    try {
      return Arrays.stream(with.encode(string, addSpecial, false).getIds())
          .mapToInt(Math::toIntExact)
          .toArray();
    } catch (RuntimeException e) {
      throw new UserError(file + ": the tokenizer library failed: " + oneLine(e));
    }
  }

  private HuggingFaceTokenizer plain() {
    HuggingFaceTokenizer p = plain;
    if (p == null) {
      p = instance(file, files.withoutSpecial());
      plain = p;
    }
    return p;
  }

  @Override
  public byte[] decode(int[] ids, boolean withSpecial) {
    for (int id : ids) {
      if (!has(id)) {
        throw new UserError(
            "token id %d: the vocabulary's ids end at %d".formatted(id, files.largestId()));
      }
    }
    try {
      long[] wide = IntStream.of(ids).asLongStream().toArray();
      return library.decode(wide, !withSpecial).getBytes(StandardCharsets.UTF_8);
    } catch (RuntimeException e) {
      throw new UserError(file + ": the tokenizer library failed: " + oneLine(e));
    }
  }

  @Override
  public OptionalInt beginToken() {
    return files.token("bos_token");
  }

  @Override
  public OptionalInt endToken() {
    return files.token("eos_token");
  }

  @Override
  public Set<Integer> stopTokens() {
    return files.stops();
  }

  @Override
  public Optional<String> chatTemplate() {
    return Optional.ofNullable(files.chatTemplate());
  }

  @Override
  public void close() {
    library.close();
    if (plain != null) {
      plain.close();
    }
  }
}
