package assay.measure.experiment;

import assay.backend.Backend;
import assay.model.UserError;
import assay.results.Experiment;
import assay.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** K1: characters and bytes per token. */
public final class TokenExperiments {
  private static final String SAMPLE = "/assay/claims/sample-zh.txt";

  private TokenExperiments() {}

  /** The Chinese text that is taken where the user gives none; UTF-8. */
  public static byte[] chineseSample() {
    try (InputStream in = TokenExperiments.class.getResourceAsStream(SAMPLE)) {
      if (in == null) {
        throw new IllegalStateException("resource " + SAMPLE + " is missing");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Counts tokens of a text.
   *
   * @param words whose tokenizer, and which text
   * @throws UserError when the text has no tokens
   */
  public static Function<Backend, Outcome> charactersPerToken(
      Tokenizer tokenizer, byte[] utf8, String words) {
    return backend -> {
      int ids = tokenizer.encode(utf8, false, false).length;
      if (ids == 0) {
        throw new UserError(words + ": no tokens in the text");
      }
      String text = new String(utf8, StandardCharsets.UTF_8);
      double characters = text.codePointCount(0, text.length());
      long han =
          text.codePoints()
              .filter(c -> Character.UnicodeScript.of(c) == Character.UnicodeScript.HAN)
              .count();
      Map<String, Double> values = new LinkedHashMap<>();
      values.put("tokens", (double) ids);
      values.put("characters_per_token", characters / ids);
      values.put("utf8_bytes_per_token", (double) utf8.length / ids);
      values.put("utf8_bytes_per_character", utf8.length / characters);
      values.put("han_share_of_characters", han / characters);
      values.put("bytes_per_1e9_tokens", 1e9 * utf8.length / ids);
      return new Outcome(words, values, List.<Experiment.Point>of());
    };
  }
}
