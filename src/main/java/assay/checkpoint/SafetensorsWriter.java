package assay.checkpoint;

import assay.model.DType;
import assay.model.UserError;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
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

  private final Path path;
  private final Path unfinished;
  private final FileChannel channel;
  private final Map<String, long[]> ranges = new LinkedHashMap<>();
  private final long dataStart;
  private boolean whole;

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
    this.path = path;
    this.unfinished = path.resolveSibling(path.getFileName() + ".part");
    byte[] header = header(tensors, metadata);
    this.dataStart = header.length;
    try {
      this.channel =
          FileChannel.open(
              unfinished,
              StandardOpenOption.WRITE,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING);
      writeAll(ByteBuffer.wrap(header), 0);
    } catch (IOException e) {
      throw failed(e);
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
    try {
      long at = dataStart + range[0] + offset;
      // A ByteBuffer holds less than 2 GiB.
      for (long done = 0; done < bytes.byteSize(); ) {
        long n = Math.min(1 << 30, bytes.byteSize() - done);
        writeAll(bytes.asSlice(done, n).asByteBuffer(), at + done);
        done += n;
      }
    } catch (IOException e) {
      throw failed(e);
    }
  }

  private void writeAll(ByteBuffer b, long position) throws IOException {
    long at = position;
    while (b.hasRemaining()) {
      at += channel.write(b, at);
    }
  }

  private UserError failed(IOException e) {
    return new UserError(
        path + ": cannot be written: " + e.getClass().getSimpleName() + " " + e.getMessage());
  }

  /** Gives the file its name: everything was written. */
  public void finish() {
    whole = true;
  }

  /** Without {@link #finish} the unfinished file is deleted. */
  @Override
  public void close() {
    try {
      channel.close();
      if (whole) {
        Files.move(unfinished, path, StandardCopyOption.REPLACE_EXISTING);
      } else {
        Files.deleteIfExists(unfinished);
      }
    } catch (IOException e) {
      throw failed(e);
    }
  }
}
