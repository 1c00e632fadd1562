package assay.backend.cpu.kernel;

import assay.backend.InputRounding;
import assay.model.DType;
import assay.model.NumberFormat;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/**
 * Kernels as machine code for AVX-512 with VNNI, written at start by {@link Assembler}: the
 * instructions that the Vector API cannot reach (byte dot products, fp16 conversion, operands
 * broadcast from memory), full speed from the first call. The class picks tiles and calls; the
 * loops are in the {@code …Code} classes.
 */
public final class GeneratedKernels implements Kernels {
  private static final Set<String> NEEDED =
      Set.of("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni");

  private static final String BF16_FLAG = "avx512_bf16";

  /** Rows of a tile: with two panels 24 of the 32 registers are sums. */
  private static final int TILE_ROWS = 12;

  private static final int FLOAT_BLOCK = 512;

  /**
   * From so many rows on fp16 weights are widened to fp32 in the L2 cache once, for all rows, not
   * again for each tile of them.
   */
  private static final int WIDEN_ROWS = 8;

  private static final long WIDE_PANEL_BYTES = 4L * PanelLayout.ROWS * FLOAT_BLOCK;
  private static final int INT_BLOCK = 1024;

  /**
   * A cache line beyond a power of two, lest the rows of a tile fall into the same few lines of the
   * L1 cache.
   */
  private static final int SKEW_BYTES = 64;

  private static final int DOT_BLOCK = 1024;
  private static final int FLOAT_ROW_BYTES = FLOAT_BLOCK * Float.BYTES + SKEW_BYTES;
  private static final int DOT_ROW_BYTES = DOT_BLOCK * Short.BYTES + SKEW_BYTES;
  private static final int INT_ROW_BYTES =
      INT_BLOCK / 32 * BlockTileCode.X_BLOCK_BYTES + SKEW_BYTES;

  private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

  @SuppressWarnings("restricted")
  private static final MethodHandle TILE =
      Linker.nativeLinker()
          .downcallHandle(
              FunctionDescriptor.ofVoid(
                  LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG, LONG));

  @SuppressWarnings("restricted")
  private static final MethodHandle CONVERT =
      Linker.nativeLinker().downcallHandle(FunctionDescriptor.ofVoid(LONG, LONG, LONG, LONG));

  private final ExecutableMemory memory = new ExecutableMemory();
  private final Map<DType, Tiles> tiles = new EnumMap<>(DType.class);

  /** Products of several rows with bf16 weights by vdpbf16ps; null if by fp32 FMA. */
  private final @Nullable Tiles dotTiles;

  private final RowKernels rows;
  private final MemorySegment halfToFloat;
  private final MemorySegment floatToHalf;
  private final MemorySegment bf16ToFloat;
  private final MemorySegment floatToBf16;
  private final MemorySegment quantize;
  private final @Nullable MemorySegment packBf16;

  private GeneratedKernels(Bf16 bf16) {
    for (DType type : List.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0)) {
      tiles.put(type, new Tiles(type, false));
    }
    rows = new GeneratedRowKernels(memory);
    halfToFloat = memory.install(ConvertCode.halfToFloat());
    floatToHalf = memory.install(ConvertCode.floatToHalf());
    bf16ToFloat = memory.install(ConvertCode.bf16ToFloat());
    floatToBf16 = memory.install(ConvertCode.floatToBf16());
    quantize = memory.install(ConvertCode.quantize());
    boolean dot = bf16 == Bf16.DOT || (bf16 == Bf16.FASTER && PeakProbe.bf16DotIsFaster(memory));
    dotTiles = dot ? new Tiles(DType.BF16, true) : null;
    packBf16 = dot ? memory.install(ConvertCode.packBf16()) : null;
  }

  /** How bf16 weights are multiplied with several rows of x. */
  enum Bf16 {
    /** Widened to fp32. */
    WIDEN,
    /** By vdpbf16ps, x rounded to bf16. */
    DOT,
    /** By whichever this processor does faster. */
    FASTER
  }

  /** These kernels, or null where the processor or the system cannot run them. */
  public static @Nullable GeneratedKernels createIfSupported() {
    return createIfSupported(Bf16.FASTER);
  }

  /** The same with a way for bf16; null too if {@link Bf16#DOT} is asked of a processor without. */
  static @Nullable GeneratedKernels createIfSupported(Bf16 bf16) {
    if (!System.getProperty("os.arch").equals("amd64")
        || !System.getProperty("os.name").equals("Linux")) {
      return null;
    }
    try {
      Set<String> flags =
          Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
              .filter(line -> line.startsWith("flags"))
              .findFirst()
              .map(line -> Set.copyOf(Arrays.asList(line.split("\\s+"))))
              .orElse(Set.of());
      boolean hasDot = flags.contains(BF16_FLAG);
      if (!flags.containsAll(NEEDED) || (bf16 == Bf16.DOT && !hasDot)) {
        return null;
      }
      return new GeneratedKernels(hasDot ? bf16 : Bf16.WIDEN);
    } catch (IOException | IllegalStateException e) {
      // No /proc, or a system that forbids memory that is first written and then executed.
      return null;
    }
  }

  @Override
  public String describe() {
    return "machine code for AVX-512 with VNNI" + (dotTiles == null ? "" : " and BF16");
  }

  @Override
  public String arithmetic(DType type, boolean manyRows) {
    if (usesDot(type) && manyRows) {
      return "bf16 dot products (vdpbf16ps, found faster than fp32 FMA at start), activations"
          + " rounded to bf16, fp32 sums";
    }
    return switch (type) {
      case Q8_0 -> "int8 dot products, activations quantised to int8 in blocks of 32, fp32 sums";
      case Q4_0 ->
          "int4 by int8 dot products, activations quantised to int8 in blocks of 32, fp32 sums";
      default -> "fp32 FMA";
    };
  }

  @Override
  public InputRounding inputRounding(DType type, boolean manyRows) {
    if (usesDot(type) && manyRows) {
      return InputRounding.BF16;
    }
    return type.isBlocked() ? InputRounding.INT8_BLOCKS : InputRounding.NONE;
  }

  @Override
  public int blockColumns(DType type) {
    if (usesDot(type)) {
      return DOT_BLOCK;
    }
    return type.isBlocked() ? INT_BLOCK : FLOAT_BLOCK;
  }

  @Override
  public long packedRowBytes(DType type) {
    if (usesDot(type)) {
      return DOT_ROW_BYTES;
    }
    return type.isBlocked() ? INT_ROW_BYTES : FLOAT_ROW_BYTES;
  }

  @Override
  public long scratchBytes(DType type, int panels) {
    return type == DType.F16 ? panels * WIDE_PANEL_BYTES : 0;
  }

  private boolean usesDot(DType type) {
    return type == DType.BF16 && dotTiles != null;
  }

  @Override
  public void pack(DType type, long x, int columns, long packed) {
    if (type.isBlocked()) {
      prepare(type, x, columns, packed);
    } else if (usesDot(type)) {
      packBf16(x, columns, packed);
    } else {
      RawMemory.copy(x, packed, 4L * columns);
    }
  }

  /** To the nearest bf16, and a zero behind an odd number of them: its partner in the last pair. */
  private void packBf16(long x, int columns, long packed) {
    int vectors = columns / 32;
    if (vectors > 0 && packBf16 != null) {
      convert(packBf16, x, packed, vectors, 0);
    }
    for (int i = 32 * vectors; i < columns; i++) {
      RawMemory.setShort(packed + 2L * i, NumberFormat.toBf16(RawMemory.getFloat(x + 4L * i)));
    }
    if (columns % 2 == 1) {
      RawMemory.setShort(packed + 2L * columns, (short) 0);
    }
  }

  @Override
  public long preparedBytes(DType type, int columns) {
    return type.isBlocked() ? Math.ceilDiv(columns, 32) * (long) BlockTileCode.X_BLOCK_BYTES : 0;
  }

  @Override
  public void prepare(DType type, long x, int columns, long prepared) {
    if (!type.isBlocked()) {
      throw new IllegalArgumentException(type + " takes x as it is");
    }
    int zeroPoint = type == DType.Q8_0 ? -128 : -8;
    int whole = columns / 32;
    if (whole > 0) {
      convert(quantize, x, prepared, whole, zeroPoint);
    }
    int rest = columns % 32;
    if (rest > 0) {
      QuantizedBlock.encode(
          x + 128L * whole, rest, zeroPoint, prepared + (long) BlockTileCode.X_BLOCK_BYTES * whole);
    }
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
    Tiles t = dotTiles != null && type == DType.BF16 ? dotTiles : tiles(type);
    long from = w;
    long fromPanelBytes = panelBytes;
    if (type == DType.F16 && rows >= WIDEN_ROWS) {
      for (int p = 0; p < panels; p++) {
        long wide = scratch + p * WIDE_PANEL_BYTES;
        halfToFloat(w + p * panelBytes, wide, PanelLayout.ROWS * columns);
      }
      t = tiles(DType.F32);
      from = scratch;
      fromPanelBytes = WIDE_PANEL_BYTES;
    }
    int n = Math.ceilDiv(rows, TILE_ROWS);
    int groups = panels / t.panels;
    int inGroups = groups * t.panels;
    long steps = steps(type, columns);
    long blockBytes = PanelLayout.ROWS * type.rowBytes(columns);
    long add = accumulate ? 1 : 0;
    for (int i = 0; i < n; i++) {
      int first = (int) ((long) rows * i / n);
      int count = (int) ((long) rows * (i + 1) / n) - first;
      long xs = x + first * (long) t.rowBytes;
      long to = out + first * outRowBytes;
      if (groups > 0) {
        MemorySegment code = t.code(count, t.panels);
        long soon = next + prefetchOffset(i, n, t.panels, panelBytes, blockBytes);
        long stride = t.panels * panelBytes;
        call(code, from, xs, to, outRowBytes, steps, fromPanelBytes, groups, add, soon, stride);
      }
      if (inGroups < panels) {
        MemorySegment code = t.code(count, 1);
        long rest = from + inGroups * fromPanelBytes;
        long soon = next + inGroups * panelBytes + prefetchOffset(i, n, 1, panelBytes, blockBytes);
        call(
            code,
            rest,
            xs,
            to + 64L * inGroups,
            outRowBytes,
            steps,
            fromPanelBytes,
            1,
            add,
            soon,
            0);
      }
    }
  }

  /**
   * Where tile {@code i} of {@code n} begins to prefetch in a group of one or two panels of {@code
   * blockBytes} each: every tile takes its share of the lines, the first half of the tiles those of
   * the first panel.
   */
  private static long prefetchOffset(int i, int n, int panels, long panelBytes, long blockBytes) {
    int tiles = Math.ceilDiv(n, panels);
    long share = Math.ceilDiv(blockBytes, 64L * tiles) * 64;
    return i / tiles * panelBytes + i % tiles * share;
  }

  @Override
  public void multiplyVector(
      DType type, int panels, long w, long x, long out, int columns, boolean accumulate) {
    long panelBytes = PanelLayout.ROWS * type.rowBytes(columns);
    long add = accumulate ? 1 : 0;
    MemorySegment code = tiles(type).code(1, 1);
    call(code, w, x, out, 0, steps(type, columns), panelBytes, panels, add, 0, 0);
  }

  @Override
  public RowKernels rows() {
    return rows;
  }

  @Override
  public void halfToFloat(long from, long to, int count) {
    int vectors = count / 16;
    if (vectors > 0) {
      convert(halfToFloat, from, to, vectors, 0);
    }
    for (int i = 16 * vectors; i < count; i++) {
      RawMemory.setFloat(to + 4L * i, Float.float16ToFloat(RawMemory.getShort(from + 2L * i)));
    }
  }

  @Override
  public void floatToHalf(long from, long to, int count) {
    int vectors = count / 16;
    if (vectors > 0) {
      convert(floatToHalf, from, to, vectors, 0);
    }
    for (int i = 16 * vectors; i < count; i++) {
      RawMemory.setShort(to + 2L * i, Float.floatToFloat16(RawMemory.getFloat(from + 4L * i)));
    }
  }

  @Override
  public void bf16ToFloat(long from, long to, int count) {
    int vectors = count / 16;
    if (vectors > 0) {
      convert(bf16ToFloat, from, to, vectors, 0);
    }
    for (int i = 16 * vectors; i < count; i++) {
      RawMemory.setFloat(to + 4L * i, NumberFormat.fromBf16(RawMemory.getShort(from + 2L * i)));
    }
  }

  @Override
  public void floatToBf16(long from, long to, int count) {
    int vectors = count / 16;
    if (vectors > 0) {
      convert(floatToBf16, from, to, vectors, 0);
    }
    for (int i = 16 * vectors; i < count; i++) {
      RawMemory.setShort(to + 2L * i, NumberFormat.toBf16(RawMemory.getFloat(from + 4L * i)));
    }
  }

  @Override
  public void close() {
    memory.close();
  }

  private Tiles tiles(DType type) {
    Tiles t = tiles.get(type);
    if (t == null) {
      throw new IllegalArgumentException("no kernels for " + type);
    }
    return t;
  }

  private static long steps(DType type, int columns) {
    return type.isBlocked() ? Math.ceilDiv(columns, type.blockElements()) : columns;
  }

  private static void call(
      MemorySegment code,
      long w,
      long x,
      long out,
      long outRowBytes,
      long steps,
      long panelBytes,
      long panels,
      long accumulate,
      long prefetch,
      long prefetchStride) {
    try {
      TILE.invokeExact(
          code,
          w,
          x,
          out,
          outRowBytes,
          steps,
          panelBytes,
          panels,
          accumulate,
          prefetch,
          prefetchStride);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  private static void convert(MemorySegment code, long from, long to, long count, long extra) {
    try {
      CONVERT.invokeExact(code, from, to, count, extra);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** The tile codes of one storage type, each generated at its first use. */
  private final class Tiles {
    final DType type;
    final boolean dot;
    final int panels;
    final int rowBytes;
    private final AtomicReferenceArray<MemorySegment> codes;

    Tiles(DType type, boolean dot) {
      this.type = type;
      this.dot = dot;
      this.panels = type.isBlocked() ? 1 : 2;
      this.rowBytes = dot ? DOT_ROW_BYTES : type.isBlocked() ? INT_ROW_BYTES : FLOAT_ROW_BYTES;
      this.codes = new AtomicReferenceArray<>((TILE_ROWS + 1) * 2);
    }

    MemorySegment code(int rows, int panels) {
      MemorySegment code = codes.get(2 * rows + panels - 1);
      return code != null ? code : generate(rows, panels);
    }

    private synchronized MemorySegment generate(int rows, int panels) {
      MemorySegment code = codes.get(2 * rows + panels - 1);
      if (code == null) {
        code = memory.install(bytes(rows, panels));
        codes.set(2 * rows + panels - 1, code);
      }
      return code;
    }

    private byte[] bytes(int rows, int panels) {
      if (dot) {
        return FloatTileCode.generateDot(rows, panels, rowBytes);
      }
      return type.isBlocked()
          ? BlockTileCode.generate(type, rows, rowBytes)
          : FloatTileCode.generate(type, rows, panels, rowBytes);
    }
  }
}
