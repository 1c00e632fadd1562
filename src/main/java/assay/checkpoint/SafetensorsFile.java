package assay.checkpoint;

import assay.model.DType;
import assay.model.UserError;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * A safetensors file, memory-mapped: 8 bytes of header length, a JSON header of names, types,
 * shapes and offsets, then the data. Every size in the header is checked against the file before
 * anything is used.
 */
public final class SafetensorsFile implements AutoCloseable {
  /** The format's own limit for the header. */
  private static final long MAX_HEADER_BYTES = 100_000_000;

  /**
   * One tensor.
   *
   * @param dtype the file's name of the type
   * @param type ours, null where we have none
   * @param shape dimensions, outermost first
   * @param data its bytes
   */
  public record Entry(
      String name, String dtype, @Nullable DType type, List<Long> shape, MemorySegment data) {
    /** Number of elements. */
    public long elements() {
      long n = 1;
      for (long d : shape) {
        n = Math.multiplyExact(n, d);
      }
      return n;
    }
  }

  private final Path path;
  private final Arena mapping;
  private final SequencedMap<String, Entry> entries;

  private SafetensorsFile(Path path, Arena mapping, SequencedMap<String, Entry> entries) {
    this.path = path;
    this.mapping = mapping;
    this.entries = entries;
  }

  /**
   * Maps and checks a file.
   *
   * @throws UserError with what is wrong and where
   */
  public static SafetensorsFile open(Path path) {
    Arena mapping = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      long size = channel.size();
      if (size < 8) {
        throw new UserError(path + ": " + size + " bytes, too short for a safetensors header");
      }
      MemorySegment file = alias(channel.map(FileChannel.MapMode.READ_ONLY, 0, size, mapping));
      return new SafetensorsFile(path, mapping, parse(path, file));
    } catch (NoSuchFileException e) {
      mapping.close();
      throw new UserError(path + ": no such file");
    } catch (IOException e) {
      mapping.close();
      String why = Files.isDirectory(path) ? "is a folder" : String.valueOf(e.getMessage());
      throw new UserError(path + ": cannot be read: " + why);
    } catch (Throwable t) {
      mapping.close();
      throw t;
    }
  }

  /**
   * Hot loops that see mapped and allocated segments both lose their type profile; an alias makes
   * them one kind.
   */
  @SuppressWarnings("restricted")
  static MemorySegment alias(MemorySegment mapped) {
    return MemorySegment.ofAddress(mapped.address()).reinterpret(mapped.byteSize());
  }

  private static SequencedMap<String, Entry> parse(Path path, MemorySegment file) {
    long length = file.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), 0);
    if (length < 2 || length > Math.min(MAX_HEADER_BYTES, file.byteSize() - 8)) {
      throw new UserError(
          "%s: the header claims %s bytes, the file has %d after its length field"
              .formatted(path, Long.toUnsignedString(length), file.byteSize() - 8));
    }
    byte[] json = file.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
    JsonObject header = JsonObject.parse(path + " header", json);
    MemorySegment data = file.asSlice(8 + length);
    SequencedMap<String, Entry> out = new LinkedHashMap<>();
    List<long[]> ranges = new ArrayList<>();
    for (Map.Entry<String, JsonNode> e : header.node().properties()) {
      if (!e.getKey().equals("__metadata__")) {
        out.put(e.getKey(), entry(path, e.getKey(), e.getValue(), data, ranges));
      }
    }
    checkOverlap(path, ranges);
    return Collections.unmodifiableSequencedMap(out);
  }

  private static Entry entry(
      Path path, String name, JsonNode node, MemorySegment data, List<long[]> ranges) {
    String where = path + ": tensor '" + name + "'";
    if (!node.isObject() || !node.path("dtype").isString()) {
      throw new UserError(where + " has no dtype");
    }
    String dtype = node.get("dtype").stringValue();
    List<Long> shape = longs(where + " shape", node.path("shape"));
    List<Long> offsets = longs(where + " data_offsets", node.path("data_offsets"));
    if (offsets.size() != 2) {
      throw new UserError(where + " has " + offsets.size() + " data_offsets: expected 2");
    }
    long begin = offsets.get(0);
    long end = offsets.get(1);
    if (begin > end || end > data.byteSize()) {
      throw new UserError(
          "%s claims bytes %d to %d: the file holds %d of data"
              .formatted(where, begin, end, data.byteSize()));
    }
    int elementBytes = elementBytes(dtype);
    if (elementBytes > 0 && end - begin != bytes(where, shape, elementBytes)) {
      throw new UserError(
          "%s: shape %s of %s takes %d bytes, its data_offsets span %d"
              .formatted(where, shape, dtype, bytes(where, shape, elementBytes), end - begin));
    }
    if (end > begin) {
      ranges.add(new long[] {begin, end});
    }
    return new Entry(
        name, dtype, ourType(dtype), List.copyOf(shape), data.asSlice(begin, end - begin));
  }

  private static List<Long> longs(String what, JsonNode node) {
    if (!node.isArray() || node.size() > 64) {
      throw new UserError(what + " is " + shortened(node) + ": expected a short list of numbers");
    }
    List<Long> out = new ArrayList<>();
    for (JsonNode n : node) {
      if (!n.isIntegralNumber() || !n.canConvertToLong() || n.longValue() < 0) {
        throw new UserError(what + " holds " + shortened(n) + ": expected whole numbers from 0");
      }
      out.add(n.longValue());
    }
    return out;
  }

  private static String shortened(JsonNode node) {
    String s = node.isMissingNode() ? "absent" : node.toString();
    return s.length() > 40 ? s.substring(0, 40) + "…" : s;
  }

  private static long bytes(String where, List<Long> shape, int elementBytes) {
    try {
      long n = elementBytes;
      for (long d : shape) {
        n = Math.multiplyExact(n, d);
      }
      return n;
    } catch (ArithmeticException e) {
      throw new UserError(where + ": shape " + shape + " is beyond any memory");
    }
  }

  private static void checkOverlap(Path path, List<long[]> ranges) {
    ranges.sort(Comparator.comparingLong(r -> r[0]));
    for (int i = 1; i < ranges.size(); i++) {
      if (ranges.get(i)[0] < ranges.get(i - 1)[1]) {
        throw new UserError(
            "%s: two tensors overlap at byte %d of the data".formatted(path, ranges.get(i)[0]));
      }
    }
  }

  private static int elementBytes(String dtype) {
    return switch (dtype) {
      case "F64", "I64", "U64" -> 8;
      case "F32", "I32", "U32" -> 4;
      case "F16", "BF16", "I16", "U16" -> 2;
      case "F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL" -> 1;
      default -> 0;
    };
  }

  private static @Nullable DType ourType(String dtype) {
    return switch (dtype) {
      case "F32" -> DType.F32;
      case "F16" -> DType.F16;
      case "BF16" -> DType.BF16;
      case "F8_E4M3" -> DType.F8E4M3;
      case "I64" -> DType.I64;
      case "I32" -> DType.I32;
      case "I8" -> DType.I8;
      case "U8" -> DType.U8;
      default -> null;
    };
  }

  /** The file. */
  public Path path() {
    return path;
  }

  /** All tensors by name, in the header's order. */
  public SequencedMap<String, Entry> entries() {
    return entries;
  }

  /** Unmaps the file; its tensors must not be touched any more. */
  @Override
  public void close() {
    if (mapping.scope().isAlive()) {
      mapping.close();
    }
  }
}
