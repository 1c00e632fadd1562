package assay.checkpoint;

import assay.model.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;

/** Counts NaN and infinite values in stored rows, by tensor. */
final class NonFinite {
  private final Map<String, LongAdder> counts = new ConcurrentHashMap<>();

  /** Looks at a stored row: plain values themselves, the scales of blocks. */
  void check(String tensor, DType type, MemorySegment data, long offset, int columns) {
    long n = 0;
    switch (type) {
      case F32 -> {
        for (int i = 0; i < columns; i++) {
          n += isF32(data.get(GgufCursor.INT, offset + 4L * i)) ? 1 : 0;
        }
      }
      case F16 -> {
        for (int i = 0; i < columns; i++) {
          n += isF16(data, offset + 2L * i) ? 1 : 0;
        }
      }
      case BF16 -> {
        for (int i = 0; i < columns; i++) {
          n += isF32(data.get(GgufCursor.SHORT, offset + 2L * i) << 16) ? 1 : 0;
        }
      }
      default -> n = blocks(type, data, offset, columns);
    }
    if (n > 0) {
      counts.computeIfAbsent(tensor, k -> new LongAdder()).add(n);
    }
  }

  private static long blocks(DType type, MemorySegment data, long offset, int columns) {
    boolean two =
        switch (type) {
          case Q4_1, Q5_1, Q4_K, Q5_K -> true;
          default -> false;
        };
    int first = type == DType.Q6_K ? 208 : 0;
    long n = 0;
    long end = offset + type.rowBytes(columns);
    for (long at = offset; at < end; at += type.blockBytes()) {
      boolean bad = isF16(data, at + first) || (two && isF16(data, at + 2));
      n += bad ? type.blockElements() : 0;
    }
    return n;
  }

  private static boolean isF32(int bits) {
    return (bits & 0x7f800000) == 0x7f800000;
  }

  private static boolean isF16(MemorySegment data, long at) {
    return (data.get(ValueLayout.JAVA_BYTE, at + 1) & 0x7c) == 0x7c;
  }

  /** Tensors with such values and how many. */
  Map<String, Long> counts() {
    Map<String, Long> out = new TreeMap<>();
    counts.forEach((name, count) -> out.put(name, count.sum()));
    return out;
  }
}
