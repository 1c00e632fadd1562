package assay.checkpoint;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Collects the bytes of a GGUF header. */
final class LittleEndianBytes {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  LittleEndianBytes int8(int value) {
    out.write(value);
    return this;
  }

  LittleEndianBytes int32(int value) {
    for (int shift = 0; shift < 32; shift += 8) {
      out.write(value >>> shift);
    }
    return this;
  }

  LittleEndianBytes int64(long value) {
    return int32((int) value).int32((int) (value >>> 32));
  }

  LittleEndianBytes raw(byte[] bytes) {
    out.writeBytes(bytes);
    return this;
  }

  /** A string of the format: its length, then its bytes. */
  LittleEndianBytes string(byte[] bytes) {
    return int64(bytes.length).raw(bytes);
  }

  LittleEndianBytes string(String value) {
    return string(value.getBytes(StandardCharsets.UTF_8));
  }

  int size() {
    return out.size();
  }

  byte[] toBytes() {
    return out.toByteArray();
  }
}
