package assay.tokenizer;

import assay.model.UserError;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import tools.jackson.databind.JsonNode;

/**
 * What the native tokenizer library takes on trust: a file that breaks one of these makes its code
 * abort the whole process, so it is refused before the library sees it. Each was found by fuzzing.
 */
final class NativeGuard {
  /** Its prefix trees free themselves by recursion, a level for each byte of an entry. */
  private static final int MAX_ENTRY_BYTES = 1000;

  private final Path file;

  private NativeGuard(Path file) {
    this.file = file;
  }

  /**
   * Checks a tokenizer.json.
   *
   * @throws UserError with the place and what is expected
   */
  static void check(Path file, JsonNode root) {
    NativeGuard guard = new NativeGuard(file);
    guard.checkEntries(root.path("model").path("vocab"));
    guard.checkTemplates(root.path("post_processor"));
  }

  private void checkEntries(JsonNode vocabulary) {
    if (vocabulary.isArray()) {
      for (JsonNode entry : vocabulary) {
        checkEntry(entry.path(0).asString(""));
      }
    } else {
      for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
        checkEntry(entry.getKey());
      }
    }
  }

  private void checkEntry(String text) {
    if (text.length() > MAX_ENTRY_BYTES / 4
        && text.getBytes(StandardCharsets.UTF_8).length > MAX_ENTRY_BYTES) {
      throw new UserError(
          "%s: an entry of model.vocab has %d characters: expected at most %d bytes"
              .formatted(file, text.length(), MAX_ENTRY_BYTES));
    }
  }

  /** Every special token that a template names has to be among its special_tokens. */
  private void checkTemplates(JsonNode processor) {
    for (JsonNode inner : processor.path("processors")) {
      checkTemplates(inner);
    }
    for (String template : new String[] {"single", "pair"}) {
      for (JsonNode piece : processor.path(template)) {
        JsonNode id = piece.path("SpecialToken").path("id");
        if (id.isString() && !processor.path("special_tokens").has(id.stringValue())) {
          throw new UserError(
              "%s: post_processor.%s names the token '%s', which its special_tokens do not have"
                  .formatted(file, template, id.stringValue()));
        }
      }
    }
  }
}
