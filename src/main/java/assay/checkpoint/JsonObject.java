package assay.checkpoint;

import assay.model.UserError;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A JSON object whose values are checked when they are taken; every complaint names the key. */
final class JsonObject {
  private static final JsonMapper MAPPER =
      JsonMapper.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();

  /** A config or an index is small; more is a mistake or an attack. */
  private static final long MAX_FILE_BYTES = 64L << 20;

  private final JsonNode node;

  JsonObject(JsonNode node) {
    this.node = node;
  }

  static JsonObject read(Path file) {
    try {
      if (Files.size(file) > MAX_FILE_BYTES) {
        throw new UserError(file + ": larger than 64 MiB, that is no such JSON file");
      }
      return parse(file.toString(), Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw new UserError(file + ": no such file");
    } catch (IOException e) {
      throw new UserError(file + ": cannot be read: " + e.getMessage());
    }
  }

  static JsonObject parse(String where, byte[] json) {
    JsonNode node;
    try {
      node = MAPPER.readTree(json);
    } catch (JacksonException e) {
      throw new UserError(where + ": not valid JSON: " + oneLine(e.getOriginalMessage()));
    }
    if (node == null || !node.isObject()) {
      throw new UserError(where + ": expected a JSON object");
    }
    return new JsonObject(node);
  }

  private static String oneLine(@Nullable String message) {
    return message == null ? "unreadable" : message.lines().findFirst().orElse("unreadable");
  }

  JsonNode node() {
    return node;
  }

  boolean isAbsent(String key) {
    return node.get(key) == null;
  }

  /** Present and not null. */
  boolean has(String key) {
    return node.hasNonNull(key);
  }

  int integer(String key) {
    if (!has(key)) {
      throw new UserError("no '" + key + "': expected a whole number");
    }
    JsonNode v = node.get(key);
    if (!v.isIntegralNumber() || !v.canConvertToInt()) {
      throw new UserError("'" + key + "' is " + v + ": expected a whole number");
    }
    return v.intValue();
  }

  int integer(String key, int fallback) {
    return has(key) ? integer(key) : fallback;
  }

  double number(String key) {
    if (!has(key)) {
      throw new UserError("no '" + key + "': expected a number");
    }
    JsonNode v = node.get(key);
    if (!v.isNumber()) {
      throw new UserError("'" + key + "' is " + v + ": expected a number");
    }
    return v.doubleValue();
  }

  double number(String key, double fallback) {
    return has(key) ? number(key) : fallback;
  }

  boolean flag(String key, boolean fallback) {
    if (!has(key)) {
      return fallback;
    }
    JsonNode v = node.get(key);
    if (!v.isBoolean()) {
      throw new UserError("'" + key + "' is " + v + ": expected true or false");
    }
    return v.booleanValue();
  }

  String string(String key, String fallback) {
    if (!has(key)) {
      return fallback;
    }
    JsonNode v = node.get(key);
    if (!v.isString()) {
      throw new UserError("'" + key + "' is " + v + ": expected a string");
    }
    return v.stringValue();
  }

  @Nullable JsonObject object(String key) {
    if (!has(key)) {
      return null;
    }
    JsonNode v = node.get(key);
    if (!v.isObject()) {
      throw new UserError("'" + key + "' is " + v + ": expected an object");
    }
    return new JsonObject(v);
  }
}
