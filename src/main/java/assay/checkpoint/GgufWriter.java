package assay.checkpoint;

import assay.model.DType;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * Writes a GGUF file of version 3: tensors are announced first, then their bytes follow in any
 * order and in pieces. The file appears under its name only when it is whole.
 */
public final class GgufWriter implements AutoCloseable {
  private static final int VERSION = 3;
  private static final int ALIGNMENT = 32;

  /** A tensor to be written: its type and shape, outermost dimension first. */
  public record Announced(DType type, List<Long> shape) {
    long bytes() {
      long rows = 1;
      for (long d : shape.subList(0, shape.size() - 1)) {
        rows = Math.multiplyExact(rows, d);
      }
      return type.bytes(rows, shape.getLast());
    }
  }

  private final UnfinishedFile file;
  private final Map<String, long[]> ranges = new HashMap<>();
  private final long dataStart;
  private final long dataBytes;

  /** Begins a file. */
  public GgufWriter(Path path, GgufMetadata metadata, SequencedMap<String, Announced> tensors) {
    LittleEndianBytes header = new LittleEndianBytes();
    header.int32(GgufFile.MAGIC).int32(VERSION).int64(tensors.size()).int64(metadata.size());
    header.raw(metadata.toBytes());
    dataBytes = describe(tensors, header);
    dataStart = padded(header.size());
    file = new UnfinishedFile(path);
    try {
      file.write(0, ByteBuffer.wrap(header.toBytes()));
    } catch (Throwable t) {
      file.close();
      throw t;
    }
  }

  private long describe(SequencedMap<String, Announced> tensors, LittleEndianBytes header) {
    long at = 0;
    for (Map.Entry<String, Announced> e : tensors.entrySet()) {
      Announced t = e.getValue();
      header.string(e.getKey()).int32(t.shape().size());
      t.shape().reversed().forEach(header::int64);
      header.int32(GgufType.codeOf(t.type())).int64(at);
      ranges.put(e.getKey(), new long[] {at, at + t.bytes()});
      at += padded(t.bytes());
    }
    return at;
  }

  private static long padded(long bytes) {
    return Math.ceilDiv(bytes, (long) ALIGNMENT) * ALIGNMENT;
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

  /** Pads the end and gives the file its name: everything was written. */
  public void finish() {
    // The last tensor's padding belongs to the file.
    long end = ranges.values().stream().mapToLong(r -> r[1]).max().orElse(0);
    file.write(dataStart + end, ByteBuffer.allocate((int) (dataBytes - end)));
    file.finish();
  }

  /** Without {@link #finish} the unfinished file is deleted. */
  @Override
  public void close() {
    file.close();
  }
}
