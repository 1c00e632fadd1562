package assay.backend.cpu.kernel;

import static assay.backend.cpu.kernel.RawMemory.ALL;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import assay.backend.InputRounding;
import assay.model.DType;
import assay.model.NumberFormat;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Kernels in the Vector API, for every processor that Java knows, in its preferred vector width.
 * All arithmetic is fp32; panels of other types are decoded to an fp32 panel in the L1 or L2 cache
 * first ({@link PanelDecoder}), or in registers where a single row of x is multiplied.
 */
public final class VectorKernels implements Kernels {
  private static final VectorSpecies<Float> F = FloatVector.SPECIES_PREFERRED;
  private static final int BLOCK = 512;
  private static final long ROW_BYTES = BLOCK * (long) Float.BYTES + 64;
  private static final int ROWS = PanelLayout.ROWS;

  private final RowKernels rows = new VectorRowKernels();

  @Override
  public String describe() {
    return "Vector API, " + F.vectorBitSize() + " bit";
  }

  @Override
  public String arithmetic(DType type, boolean manyRows) {
    return "fp32 FMA";
  }

  @Override
  public InputRounding inputRounding(DType type, boolean manyRows) {
    return InputRounding.NONE;
  }

  @Override
  public int blockColumns(DType type) {
    return BLOCK;
  }

  @Override
  public long packedRowBytes(DType type) {
    return ROW_BYTES;
  }

  /** One decoded panel. */
  @Override
  public long scratchBytes(DType type, int panels) {
    return type == DType.F32 ? 0 : 4L * ROWS * BLOCK;
  }

  @Override
  public void pack(DType type, long x, int columns, long packed) {
    RawMemory.copy(x, packed, 4L * columns);
  }

  @Override
  public long preparedBytes(DType type, int columns) {
    return 0;
  }

  @Override
  public void prepare(DType type, long x, int columns, long prepared) {
    throw new IllegalArgumentException(type + " takes x as it is");
  }

  @Override
  public void multiply(
      DType type,
      int rows,
      int panels,
      long w,
      long panelBytes,
      long x,
      long out,
      long outRowBytes,
      int columns,
      boolean accumulate,
      long next,
      long scratch) {
    for (int p = 0; p < panels; p++) {
      long panel = w + p * panelBytes;
      if (type != DType.F32) {
        PanelDecoder.decode(type, panel, columns, scratch);
        panel = scratch;
      }
      for (int lane = 0; lane < ROWS; lane += F.length()) {
        long column = panel + 4L * lane;
        long to = out + 64L * p + 4L * lane;
        int m = 0;
        for (; m + 8 <= rows; m += 8) {
          eightRows(
              column, x + m * ROW_BYTES, to + m * outRowBytes, outRowBytes, columns, accumulate);
        }
        for (; m < rows; m++) {
          oneRow(column, x + m * ROW_BYTES, to + m * outRowBytes, columns, accumulate);
        }
      }
    }
  }

  /** Eight sums in registers: per k one load of weights, eight broadcasts, eight FMAs. */
  private static void eightRows(
      long w, long x, long out, long outRowBytes, int columns, boolean accumulate) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    FloatVector s4 = s0;
    FloatVector s5 = s0;
    FloatVector s6 = s0;
    FloatVector s7 = s0;
    for (int k = 0; k < columns; k++) {
      FloatVector v = load(w + 64L * k);
      long at = x + 4L * k;
      s0 = v.fma(broadcast(at), s0);
      s1 = v.fma(broadcast(at + ROW_BYTES), s1);
      s2 = v.fma(broadcast(at + 2 * ROW_BYTES), s2);
      s3 = v.fma(broadcast(at + 3 * ROW_BYTES), s3);
      s4 = v.fma(broadcast(at + 4 * ROW_BYTES), s4);
      s5 = v.fma(broadcast(at + 5 * ROW_BYTES), s5);
      s6 = v.fma(broadcast(at + 6 * ROW_BYTES), s6);
      s7 = v.fma(broadcast(at + 7 * ROW_BYTES), s7);
    }
    PanelDecoder.finish(s0, out, accumulate);
    PanelDecoder.finish(s1, out + outRowBytes, accumulate);
    PanelDecoder.finish(s2, out + 2 * outRowBytes, accumulate);
    PanelDecoder.finish(s3, out + 3 * outRowBytes, accumulate);
    PanelDecoder.finish(s4, out + 4 * outRowBytes, accumulate);
    PanelDecoder.finish(s5, out + 5 * outRowBytes, accumulate);
    PanelDecoder.finish(s6, out + 6 * outRowBytes, accumulate);
    PanelDecoder.finish(s7, out + 7 * outRowBytes, accumulate);
  }

  /** Four chains of sums over k. */
  private static void oneRow(long w, long x, long out, int columns, boolean accumulate) {
    FloatVector s0 = FloatVector.zero(F);
    FloatVector s1 = s0;
    FloatVector s2 = s0;
    FloatVector s3 = s0;
    int k = 0;
    for (; k + 4 <= columns; k += 4) {
      long at = w + 64L * k;
      long y = x + 4L * k;
      s0 = load(at).fma(broadcast(y), s0);
      s1 = load(at + 64).fma(broadcast(y + 4), s1);
      s2 = load(at + 128).fma(broadcast(y + 8), s2);
      s3 = load(at + 192).fma(broadcast(y + 12), s3);
    }
    for (; k < columns; k++) {
      s0 = load(w + 64L * k).fma(broadcast(x + 4L * k), s0);
    }
    PanelDecoder.finish(s0.add(s1).add(s2.add(s3)), out, accumulate);
  }

  private static FloatVector load(long address) {
    return FloatVector.fromMemorySegment(F, ALL, address, LITTLE_ENDIAN);
  }

  private static FloatVector broadcast(long address) {
    return FloatVector.broadcast(F, RawMemory.getFloat(address));
  }

  @Override
  public void multiplyVector(
      DType type, int panels, long w, long x, long out, int columns, boolean accumulate) {
    long panelBytes = ROWS * type.rowBytes(columns);
    for (int p = 0; p < panels; p++) {
      for (int lane = 0; lane < ROWS; lane += F.length()) {
        PanelDecoder.dot(
            type, w + p * panelBytes, lane, x, columns, out + 64L * p + 4L * lane, accumulate);
      }
    }
  }

  @Override
  public RowKernels rows() {
    return rows;
  }

  @Override
  public void halfToFloat(long from, long to, int count) {
    int i = 0;
    for (; i + F.length() <= count; i += F.length()) {
      PanelDecoder.half(from + 2L * i).intoMemorySegment(ALL, to + 4L * i, LITTLE_ENDIAN);
    }
    for (; i < count; i++) {
      RawMemory.setFloat(to + 4L * i, Float.float16ToFloat(RawMemory.getShort(from + 2L * i)));
    }
  }

  @Override
  public void floatToHalf(long from, long to, int count) {
    for (int i = 0; i < count; i++) {
      RawMemory.setShort(to + 2L * i, Float.floatToFloat16(RawMemory.getFloat(from + 4L * i)));
    }
  }

  @Override
  public void bf16ToFloat(long from, long to, int count) {
    for (int i = 0; i < count; i++) {
      RawMemory.setFloat(to + 4L * i, NumberFormat.fromBf16(RawMemory.getShort(from + 2L * i)));
    }
  }

  @Override
  public void floatToBf16(long from, long to, int count) {
    for (int i = 0; i < count; i++) {
      RawMemory.setShort(to + 2L * i, NumberFormat.toBf16(RawMemory.getFloat(from + 4L * i)));
    }
  }

  @Override
  public void close() {}
}
