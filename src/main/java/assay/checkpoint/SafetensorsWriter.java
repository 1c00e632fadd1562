package assay.checkpoint;

import assay.model.DType;
import assay.model.UserError;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Writes a safetensors file: all tensors are announced first, then their bytes follow in any order
 * and in pieces. The file appears under its name only when it is whole.
 */
public final class SafetensorsWriter implements AutoCloseable {
  private static final JsonMapper MAPPER = new JsonMapper();

  private final UnfinishedFile file;
  private final Map<String, long[]> ranges = new LinkedHashMap<>();
  private final long dataStart;

  /** A tensor to be written: its type and shape, outermost dimension first. */
  public record Announced(DType type, List<Long> shape) {
    long bytes() {
      long n = type.blockBytes();
      for (long d : shape) {
        n = Math.multiplyExact(n, d);
      }
      return n;
    }
  }

  /**
   * Begins a file.
   *
   * @param tensors by name, in the order of the file
   * @param metadata strings for the header's {@code __metadata__}
   * @throws UserError when the file cannot be written
   */
  public SafetensorsWriter(
      Path path, SequencedMap<String, Announced> tensors, Map<String, String> metadata) {
    byte[] header = header(tensors, metadata);
    this.dataStart = header.length;
    this.file = new UnfinishedFile(path);
    try {
      file.write(0, ByteBuffer.wrap(header));
    } catch (Throwable t) {
      file.close();
      throw t;
    }
  }

  private byte[] header(SequencedMap<String, Announced> tensors, Map<String, String> metadata) {
    ObjectNode root = MAPPER.createObjectNode();
    if (!metadata.isEmpty()) {
      ObjectNode m = root.putObject("__metadata__");
      metadata.forEach(m::put);
    }
    long at = 0;
    for (Map.Entry<String, Announced> e : tensors.entrySet()) {
      Announced t = e.getValue();
      ObjectNode node = root.putObject(e.getKey());
      node.put("dtype", nameOf(t.type()));
      t.shape().forEach(node.putArray("shape")::add);
      node.putArray("data_offsets").add(at).add(at + t.bytes());
      ranges.put(e.getKey(), new long[] {at, at + t.bytes()});
      at += t.bytes();
    }
    byte[] json = MAPPER.writeValueAsString(root).getBytes(StandardCharsets.UTF_8);
    int padded = Math.ceilDiv(json.length, 8) * 8; // data begins aligned
    byte[] out = new byte[8 + padded];
    ByteBuffer.wrap(out).order(ByteOrder.LITTLE_ENDIAN).putLong(padded).put(json);
    java.util.Arrays.fill(out, 8 + json.length, out.length, (byte) ' ');
    return out;
  }

  private static String nameOf(DType type) {
    return switch (type) {
      case F32, F16, BF16, I32, I64, I8, U8 -> type.name();
      case F8E4M3 -> "F8_E4M3";
      default -> throw new UserError("safetensors has no type for " + type + ": write a GGUF file");
    };
  }

  /**
   * Writes bytes of a tensor.
   *
   * @param offset bytes into the tensor
   */
  public void write(String tensor, long offset, MemorySegment bytes) {
    long[] range = ranges.get(tensor);
    if (range == null || offset < 0 || offset + bytes.byteSize() > range[1] - range[0]) {
      throw new IllegalArgumentException(
          "%d bytes at %d do not lie in '%s'".formatted(bytes.byteSize(), offset, tensor));
    }
    file.write(dataStart + range[0] + offset, bytes);
  }

  /** Gives the file its name: everything was written. */
  public void finish() {
    file.finish();
  }

  /** Without {@link #finish} the unfinished file is deleted. */
  @Override
  public void close() {
    file.close();
  }
}
