package assay.backend.cpu.kernel;

import assay.backend.InputRounding;
import assay.model.DType;

/**
 * The inner loops of matrix products and conversions, for one kind of processor. All addresses are
 * absolute and unchecked ({@link RawMemory}); weights are full panels of {@link PanelLayout}. Safe
 * to call from several threads, each with its own scratch memory.
 */
public interface Kernels extends AutoCloseable {
  /** Most rows of x in one call of {@link #multiply}. */
  int MAX_ROWS = 512;

  /** What these kernels are, for people. */
  String describe();

  /**
   * The arithmetic of products with weights of this type, for people; {@code manyRows} of x ({@link
   * #multiply}) or one ({@link #multiplyVector}).
   */
  String arithmetic(DType type, boolean manyRows);

  /** How x is rounded before it is multiplied with weights of this type. */
  InputRounding inputRounding(DType type, boolean manyRows);

  /**
   * Columns of x and of a panel that {@link #multiply} takes at most in one call: a multiple of 32.
   */
  int blockColumns(DType type);

  /** Bytes from one packed row of x to the next. */
  long packedRowBytes(DType type);

  /** Bytes of scratch memory that {@link #multiply} needs for up to so many panels of this type. */
  long scratchBytes(DType type, int panels);

  /**
   * Packs up to {@link #blockColumns} columns of one row of x for {@link #multiply} with weights of
   * this type.
   */
  void pack(DType type, long x, int columns, long packed);

  /** Bytes of a whole row of x prepared for {@link #multiplyVector}; 0 if it takes x as it is. */
  long preparedBytes(DType type, int columns);

  /** Prepares a whole row of x for {@link #multiplyVector}. */
  void prepare(DType type, long x, int columns, long prepared);

  /**
   * out[m][16p + lane] (+)= Σ_k x[m][k] · w[p][k][lane] for some columns k.
   *
   * @param rows rows m of x, at most {@link #MAX_ROWS}
   * @param panels how many panels
   * @param w these columns of the first panel
   * @param panelBytes from a panel to the next
   * @param x packed rows
   * @param out fp32
   * @param outRowBytes from a row of out to the next
   * @param columns how many k
   * @param next these panels' columns that will be multiplied next, to be brought nearer meanwhile;
   *     only ever prefetched, so it need not exist
   * @param scratch {@link #scratchBytes} of the calling thread's own
   */
  void multiply(
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
      long scratch);

  /**
   * out[16p + lane] (+)= Σ_k x[k] · w[p][k][lane] over whole rows: {@code x} as {@link #prepare}
   * left it.
   */
  void multiplyVector(
      DType type, int panels, long w, long x, long out, int columns, boolean accumulate);

  /** Operations on single rows. */
  RowKernels rows();

  /** {@code count} fp16 to fp32. */
  void halfToFloat(long from, long to, int count);

  /** {@code count} fp32 to the nearest fp16. */
  void floatToHalf(long from, long to, int count);

  /** {@code count} bf16 to fp32. */
  void bf16ToFloat(long from, long to, int count);

  /** {@code count} fp32 to the nearest bf16. */
  void floatToBf16(long from, long to, int count);

  @Override
  void close();
}
