package assay.checkpoint;

import assay.model.DType;
import assay.model.UserError;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * A GGUF file of version 2 or 3, memory-mapped: magic, counts, metadata, tensor descriptions,
 * padding, data. Every count, length, type and offset is checked against the file before it is
 * used; nothing is allocated on a file's word.
 *
 * <p>Format: github.com/ggml-org/ggml, docs/gguf.md.
 */
public final class GgufFile implements AutoCloseable {
  static final int MAGIC = 0x46554747; // "GGUF", little-endian
  private static final long DEFAULT_ALIGNMENT = 32;
  private static final long MAX_ALIGNMENT = 1 << 20;
  private static final int MAX_DIMENSIONS = 4;
  // The least that one entry takes: name length, type, one byte of value; name length, count of
  // dimensions, type, offset.
  private static final int MIN_PAIR_BYTES = 8 + 4 + 1;
  private static final int MIN_TENSOR_BYTES = 8 + 4 + 4 + 8;

  /**
   * One tensor.
   *
   * @param type how it is stored
   * @param shape dimensions, outermost first (the file has them innermost first)
   * @param data its bytes
   */
  public record Entry(String name, DType type, List<Long> shape, MemorySegment data) {
    /** Number of elements. */
    public long elements() {
      long n = 1;
      for (long d : shape) {
        n = Math.multiplyExact(n, d);
      }
      return n;
    }
  }

  private record Described(String name, DType type, List<Long> shape, long offset, long bytes) {}

  private final Path path;
  private final Arena mapping;
  private int version;
  private final SequencedMap<String, Object> metadata = new LinkedHashMap<>();
  private final SequencedMap<String, Entry> entries = new LinkedHashMap<>();

  private GgufFile(Path path, Arena mapping) {
    this.path = path;
    this.mapping = mapping;
  }

  /**
   * Maps and checks a file.
   *
   * @throws UserError with what is wrong and where
   */
  public static GgufFile open(Path path) {
    Arena mapping = Arena.ofShared();
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      MemorySegment mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), mapping);
      GgufFile out = new GgufFile(path, mapping);
      out.parse(new GgufCursor(path, alias(mapped)));
      return out;
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
  private static MemorySegment alias(MemorySegment mapped) {
    return MemorySegment.ofAddress(mapped.address()).reinterpret(mapped.byteSize());
  }

  private void parse(GgufCursor c) {
    if (c.remaining() < 4 || c.nextInt("the magic") != MAGIC) {
      throw c.error("not a GGUF file: it does not begin with 'GGUF'");
    }
    version = c.nextInt("the version");
    if (version != 2 && version != 3) {
      boolean swapped = Integer.reverseBytes(version) == 2 || Integer.reverseBytes(version) == 3;
      throw c.error(
          swapped
              ? "a big-endian GGUF file: expected little-endian"
              : "GGUF version %s: expected 2 or 3".formatted(Integer.toUnsignedString(version)));
    }
    long nTensors = c.count("tensors", MIN_TENSOR_BYTES);
    long nPairs = c.count("metadata pairs", MIN_PAIR_BYTES);
    for (long i = 0; i < nPairs; i++) {
      readPair(c);
    }
    SequencedMap<String, Described> described = new LinkedHashMap<>();
    for (long i = 0; i < nTensors; i++) {
      Described d = readTensor(c);
      if (described.put(d.name(), d) != null) {
        throw c.error("two tensors are called '" + d.name() + "'");
      }
    }
    locate(c, described);
  }

  private void readPair(GgufCursor c) {
    String key = c.string("a metadata key");
    Object value = readValue(c, key);
    if (metadata.put(key, value) != null) {
      throw c.error("the metadata key '" + key + "' stands twice");
    }
  }

  private static Object readValue(GgufCursor c, String key) {
    GgufValueType type = GgufValueType.next(c, key);
    if (type != GgufValueType.ARRAY) {
      return type.read(c, key);
    }
    GgufValueType element = GgufValueType.next(c, "the elements of " + key);
    long n = c.count("elements of " + key, element.minBytes());
    if (n > Integer.MAX_VALUE - 8) {
      throw c.error(key + " has " + n + " elements: expected less than 2^31");
    }
    GgufCursor start = c.copy();
    element.skipAll(c, key, n, 1);
    return new GgufArray(key, element, n, start, c.position() - start.position());
  }

  private static Described readTensor(GgufCursor c) {
    String name = c.string("a tensor's name");
    String where = "tensor '" + name + "'";
    int dimensions = c.nextInt("the number of dimensions of " + where);
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
      throw c.error(
          "%s has %s dimensions: expected 1 to %d"
              .formatted(where, Integer.toUnsignedString(dimensions), MAX_DIMENSIONS));
    }
    Long[] shape = new Long[dimensions];
    long outer = 1;
    for (int d = 0; d < dimensions; d++) {
      long size = c.nextLong("the shape of " + where);
      if (size < 1 || Math.multiplyHigh(outer, size) != 0 || outer * size < 0) {
        throw c.error(
            "%s: dimension %d is %s: expected 1 or more, and fewer than 2^63 elements in all"
                .formatted(where, d, Long.toUnsignedString(size)));
      }
      outer *= size;
      shape[dimensions - 1 - d] = size;
    }
    int code = c.nextInt("the type of " + where);
    DType type =
        GgufType.ofCode(code)
            .orElseThrow(
                () ->
                    c.error(
                        "%s is of type %s, which cannot be read"
                            .formatted(where, GgufType.nameOf(code))));
    long columns = shape[dimensions - 1];
    if (columns % type.blockElements() != 0) {
      throw c.error(
          "%s has rows of %d elements: expected a multiple of %s's blocks of %d"
              .formatted(where, columns, type, type.blockElements()));
    }
    long offset = c.nextLong("the offset of " + where);
    return new Described(name, type, List.of(shape), offset, bytes(c, where, type, outer, columns));
  }

  private static long bytes(GgufCursor c, String where, DType type, long elements, long columns) {
    try {
      return type.bytes(elements / columns, columns);
    } catch (ArithmeticException e) {
      throw c.error(where + ": " + elements + " elements are beyond any memory");
    }
  }

  private void locate(GgufCursor c, SequencedMap<String, Described> described) {
    long alignment = alignment(c);
    long begin = Math.ceilDiv(c.position(), alignment) * alignment;
    long available = Math.max(0, c.file().byteSize() - begin);
    for (Described d : described.values()) {
      if (d.offset() < 0 || d.offset() % alignment != 0) {
        throw c.error(
            "tensor '%s' begins at byte %s of the data: expected a multiple of the alignment %d"
                .formatted(d.name(), Long.toUnsignedString(d.offset()), alignment));
      }
      if (d.offset() > available || d.bytes() > available - d.offset()) {
        throw c.error(
            "tensor '%s' claims %d bytes from byte %d of the data on: the file holds %d of data"
                .formatted(d.name(), d.bytes(), d.offset(), available));
      }
      MemorySegment data = c.file().asSlice(begin + d.offset(), d.bytes());
      entries.put(d.name(), new Entry(d.name(), d.type(), d.shape(), data));
    }
  }

  private long alignment(GgufCursor c) {
    long alignment = integer("general.alignment", DEFAULT_ALIGNMENT);
    if (alignment < 1 || alignment > MAX_ALIGNMENT || Long.bitCount(alignment) != 1) {
      throw c.error(
          "general.alignment is %d: expected a power of two up to %d"
              .formatted(alignment, MAX_ALIGNMENT));
    }
    return alignment;
  }

  // ---- what it holds

  /** The file. */
  public Path path() {
    return path;
  }

  /** 2 or 3. */
  public int version() {
    return version;
  }

  /** All tensors by name, in the file's order. */
  public SequencedMap<String, Entry> entries() {
    return Collections.unmodifiableSequencedMap(entries);
  }

  /** All metadata: Long, Double, Boolean, String or {@link GgufArray}. */
  public SequencedMap<String, Object> metadata() {
    return Collections.unmodifiableSequencedMap(metadata);
  }

  /** True when there is such a key. */
  public boolean has(String key) {
    return metadata.containsKey(key);
  }

  /** A whole number. */
  public long integer(String key) {
    return value(key, Long.class, "a whole number");
  }

  /** A whole number, or {@code fallback} without the key. */
  public long integer(String key, long fallback) {
    return has(key) ? integer(key) : fallback;
  }

  /** A number, whole or not. */
  public double number(String key) {
    return value(key, Number.class, "a number").doubleValue();
  }

  /** A number, or {@code fallback} without the key. */
  public double number(String key, double fallback) {
    return has(key) ? number(key) : fallback;
  }

  /** A string. */
  public String string(String key) {
    return value(key, String.class, "a string");
  }

  /** A string, or {@code fallback} without the key. */
  public String string(String key, String fallback) {
    return has(key) ? string(key) : fallback;
  }

  /** True or false, or {@code fallback} without the key. */
  public boolean flag(String key, boolean fallback) {
    return has(key) ? value(key, Boolean.class, "true or false") : fallback;
  }

  /** An array. */
  public GgufArray array(String key) {
    return value(key, GgufArray.class, "an array");
  }

  private <T> T value(String key, Class<T> type, String expected) {
    @Nullable Object v = metadata.get(key);
    if (v == null) {
      throw new UserError("%s: no metadata key '%s': expected %s".formatted(path, key, expected));
    }
    if (!type.isInstance(v)) {
      String shown = v.toString();
      shown = shown.length() > 40 ? shown.substring(0, 40) + "…" : shown;
      throw new UserError("%s: %s is %s: expected %s".formatted(path, key, shown, expected));
    }
    return type.cast(v);
  }

  /** Unmaps the file; its tensors must not be touched any more. */
  @Override
  public void close() {
    if (mapping.scope().isAlive()) {
      mapping.close();
    }
  }
}
