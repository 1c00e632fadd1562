package assay.tokenizer;

import assay.model.UserError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * What the JSON files beside a checkpoint say of its tokens: entries (tokenizer.json), begin and
 * end tokens and the chat template (tokenizer_config.json, chat_template.jinja), stop tokens
 * (generation_config.json, config.json). Encoding is not done here.
 */
final class TokenizerFiles {
  private static final JsonMapper MAPPER = new JsonMapper();
  private static final long MAX_BYTES = 256L << 20;

  private final Path file;
  private final String model;
  private final BitSet ids = new BitSet();
  private final Map<String, Integer> added = new HashMap<>();
  private final Set<String> specialTexts = new TreeSet<>();
  private final int ordinary;
  private final int special;
  private final @Nullable JsonNode config;
  private final Set<Integer> stops = new TreeSet<>();

  private TokenizerFiles(Path file, JsonNode root) {
    this.file = file;
    JsonNode modelNode = root.path("model");
    JsonNode vocabulary = modelNode.path("vocab");
    if (!vocabulary.isObject() && !vocabulary.isArray()) {
      throw new UserError(file + ": no model.vocab: expected a Hugging Face tokenizer.json");
    }
    model = modelNode.path("type").asString(vocabulary.isArray() ? "Unigram" : "BPE");
    readVocabulary(vocabulary);
    ordinary = ids.cardinality();
    for (JsonNode token : root.path("added_tokens")) {
      String content = token.path("content").asString("");
      added.put(content, id(token.path("id"), "added_tokens"));
      if (token.path("special").asBoolean(false) && !content.isEmpty()) {
        specialTexts.add(content);
      }
    }
    Set<Integer> specialIds = new TreeSet<>(added.values());
    specialIds.forEach(ids::set);
    special = ids.cardinality() - ordinary;
    config = readSibling("tokenizer_config.json");
    addStops(readSibling("generation_config.json"));
    addStops(readSibling("config.json"));
  }

  static TokenizerFiles read(Path file) {
    JsonNode root = parse(file);
    NativeGuard.check(file, root);
    return new TokenizerFiles(file, root);
  }

  static byte[] bytes(Path file) {
    try {
      if (Files.size(file) > MAX_BYTES) {
        throw new UserError(file + ": larger than 256 MiB, that is no tokenizer");
      }
      return Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      throw new UserError(file + ": no such file");
    } catch (IOException e) {
      throw new UserError(file + ": cannot be read: " + e.getMessage());
    }
  }

  static JsonNode parse(Path file) {
    try {
      JsonNode root = MAPPER.readTree(bytes(file));
      if (root != null && root.isObject()) {
        return root;
      }
    } catch (JacksonException e) {
      String why = e.getOriginalMessage();
      throw new UserError(
          file
              + ": not valid JSON: "
              + (why == null ? "unreadable" : why.lines().findFirst().orElse("")));
    }
    throw new UserError(file + ": expected a JSON object");
  }

  private @Nullable JsonNode readSibling(String name) {
    Path sibling = file.resolveSibling(name);
    return Files.isRegularFile(sibling) ? parse(sibling) : null;
  }

  private void readVocabulary(JsonNode vocabulary) {
    if (vocabulary.isArray()) {
      ids.set(0, vocabulary.size());
      return;
    }
    for (JsonNode id : vocabulary) {
      ids.set(id(id, "model.vocab"));
    }
  }

  private int id(JsonNode node, String where) {
    if (!node.isIntegralNumber() || !node.canConvertToInt() || node.intValue() < 0) {
      String shown = node.isMissingNode() ? "absent" : node.toString();
      throw new UserError(file + ": an id in " + where + " is " + shown + ": expected 0 or more");
    }
    // A bit set grows to the largest id: a lie would cost memory.
    if (node.intValue() > 1 << 24) {
      throw new UserError(file + ": id " + node + " in " + where + ": expected less than 2^24");
    }
    return node.intValue();
  }

  private void addStops(@Nullable JsonNode json) {
    JsonNode eos = json == null ? null : json.get("eos_token_id");
    if (eos == null) {
      return;
    }
    for (JsonNode id : eos.isArray() ? eos : MAPPER.createArrayNode().add(eos)) {
      if (id.isIntegralNumber() && id.canConvertToInt()) {
        stops.add(id.intValue());
      }
    }
  }

  /** Whether a text holds the text of a special token. */
  boolean quotesSpecial(String text) {
    return specialTexts.stream().anyMatch(text::contains);
  }

  /** The tokenizer.json without its special tokens, to which their texts are texts like any. */
  byte[] withoutSpecial() {
    ObjectNode root = (ObjectNode) parse(file);
    ArrayNode kept = MAPPER.createArrayNode();
    for (JsonNode token : root.path("added_tokens")) {
      if (!token.path("special").asBoolean(false)) {
        kept.add(token);
      }
    }
    root.set("added_tokens", kept);
    return MAPPER.writeValueAsBytes(root);
  }

  /** {@code BPE}, {@code Unigram}, {@code WordPiece}, {@code WordLevel}. */
  String model() {
    return model;
  }

  boolean has(int id) {
    return id >= 0 && ids.get(id);
  }

  int largestId() {
    return ids.length() - 1;
  }

  VocabularyCount count() {
    return new VocabularyCount(ordinary, special, 0);
  }

  /** The id that tokenizer_config.json's {@code bos_token} or {@code eos_token} names. */
  OptionalInt token(String key) {
    JsonNode node = config == null ? null : config.get(key);
    if (node != null && node.isObject()) {
      node = node.get("content");
    }
    Integer id = node == null || !node.isString() ? null : added.get(node.stringValue());
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** The text of that token; what templates call bos_token. */
  Set<Integer> stops() {
    Set<Integer> out = new TreeSet<>(stops);
    token("eos_token").ifPresent(out::add);
    added.forEach(
        (text, id) -> {
          if (GgufTokenizer.STOP_TEXTS.contains(text)) {
            out.add(id);
          }
        });
    return out;
  }

  /** The default chat template, from its own file or from tokenizer_config.json. */
  @Nullable String chatTemplate() {
    Path own = file.resolveSibling("chat_template.jinja");
    if (Files.isRegularFile(own)) {
      return new String(bytes(own), java.nio.charset.StandardCharsets.UTF_8);
    }
    JsonNode node = config == null ? null : config.get("chat_template");
    if (node == null) {
      return null;
    }
    if (node.isString()) {
      return node.stringValue();
    }
    for (JsonNode named : node) {
      if (named.path("name").asString("").equals("default")) {
        return named.path("template").asString("");
      }
    }
    return null;
  }
}
