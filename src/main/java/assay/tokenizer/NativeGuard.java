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

  /** Its JSON parser gives up at 128, and parts of the library do not expect that it may. */
  private static final int MAX_DEPTH = 100;

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
    guard.checkValues(root, 0);
    guard.checkEntries(root.path("model").path("vocab"));
    guard.checkMerges(root.path("model"));
    guard.checkTemplates(root.path("post_processor"));
  }

  /** What Java's JSON parser takes and the library's does not. */
  private void checkValues(JsonNode node, int depth) {
    if (depth > MAX_DEPTH) {
      throw new UserError(file + ": nests more than " + MAX_DEPTH + " deep");
    }
    if (node.isObject()) {
      for (Map.Entry<String, JsonNode> e : node.properties()) {
        checkText(e.getKey());
        checkValues(e.getValue(), depth + 1);
      }
    } else if (node.isArray()) {
      for (JsonNode e : node) {
        checkValues(e, depth + 1);
      }
    } else if (node.isString()) {
      checkText(node.stringValue());
    } else if (node.isNumber() && !Double.isFinite(node.doubleValue())) {
      throw new UserError(file + ": the number " + node + " is too large");
    }
  }

  private void checkText(String text) {
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (Character.isHighSurrogate(c)
          && i + 1 < text.length()
          && Character.isLowSurrogate(text.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        throw new UserError(
            "%s: a string holds half a character (\\u%04x): expected UTF-8"
                .formatted(file, (int) c));
      }
    }
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

  /** The prefix is cut off the right half of every merge, whether it has one or not. */
  private void checkMerges(JsonNode model) {
    String prefix = model.path("continuing_subword_prefix").asString("");
    if (prefix.isEmpty()) {
      return;
    }
    for (JsonNode merge : model.path("merges")) {
      String right =
          merge.isString()
              ? merge.stringValue().substring(merge.stringValue().indexOf(' ') + 1)
              : merge.path(1).asString("");
      if (!right.startsWith(prefix)) {
        throw new UserError(
            "%s: the merge %s does not have the continuing_subword_prefix '%s'"
                .formatted(file, merge, prefix));
      }
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
