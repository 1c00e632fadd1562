package assay.backend.cuda;

import static assay.backend.cuda.Kernel.Param.f32;
import static assay.backend.cuda.Kernel.Param.i32;
import static assay.backend.cuda.Kernel.Param.i64;
import static assay.backend.cuda.Kernel.Param.ptr;

import java.util.ArrayList;
import java.util.List;

/**
 * Every kernel family of {@code kernels/*.cu}: its module, the names of its entry points, its
 * parameters in order and its block size. This is the Java side of the binary interface; a test
 * compares it with every entry of every PTX file (names, kinds of parameters, {@code .maxntid}).
 *
 * <p>An entry point is called {@code prefix_variant}, or {@code prefix} where there is one variant.
 * Element types in names: f32, f16, bf16; f8 is e4m3; q8 and q4 are Q8_0 and Q4_0 in {@link
 * PackedLayout}. Pointers are device addresses, 0 for "none"; strides ({@code ld…}) count elements
 * from one row to the next; flags are 0 or 1. Launch geometry lives in the only callers: {@link
 * RowOps}, {@link AttentionOps}, {@link MatrixOps}, {@link TokenOps}.
 */
enum Kernel {
  // ---- rows in, rows out

  /** out[r] = table[tokens[r]]; ids outside of the table give NaN. */
  EMBED(
      "embed",
      256,
      Variants.product(Variants.WEIGHTS, Variants.ACTIVATIONS),
      ptr("out"),
      i32("ldOut"),
      ptr("tokens"),
      ptr("table"),
      ptr("tableScales"),
      f32("tableScale"),
      i32("tableRows"),
      i32("n"),
      i32("columns")),
  /** x[r] += table[position of r]. */
  EMBED_POSITIONS(
      "embed",
      256,
      Variants.product(Variants.WEIGHTS, Variants.ACTIVATIONS),
      ptr("x"),
      i32("ldX"),
      ptr("table"),
      ptr("tableScales"),
      f32("tableScale"),
      i32("tableRows"),
      ptr("counters"),
      ptr("keyStart"),
      i32("tokensPerSequence"),
      i32("n"),
      i32("columns")),
  /** RMSNorm; variants are input_output. */
  NORM_RMS("norm", 512, Variants.FROM_RESIDUAL, Variants.normParams(false)),
  /** LayerNorm. */
  NORM_LAYER("norm", 512, Variants.FROM_RESIDUAL, Variants.normParams(false)),
  /** x (f32) += delta, then RMSNorm of x; variants are the type of delta and out. */
  ADD_NORM_RMS("norm", 512, Variants.ACTIVATIONS, Variants.normParams(true)),
  /** x (f32) += delta, then LayerNorm of x. */
  ADD_NORM_LAYER("norm", 512, Variants.ACTIVATIONS, Variants.normParams(true)),
  /** RMSNorm of each head in place, a warp a head. */
  HEAD_NORM(
      "norm",
      128,
      Variants.ACTIVATIONS,
      ptr("x"),
      i32("ldX"),
      ptr("gain"),
      f32("eps"),
      i32("n"),
      i32("heads"),
      i32("headDim")),
  BIAS(
      "bias",
      256,
      Variants.ACTIVATIONS,
      ptr("x"),
      i32("ldX"),
      ptr("bias"),
      i32("n"),
      i32("columns")),
  /** x += delta; variants are x_delta. */
  ADD(
      "add",
      256,
      Variants.FROM_RESIDUAL,
      ptr("x"),
      i32("ldX"),
      ptr("delta"),
      i32("ldDelta"),
      i32("n"),
      i32("columns")),
  /** {@code activation} is {@link KernelTable#code}. */
  ACTIVATION(
      "activation",
      256,
      Variants.ACTIVATIONS,
      ptr("out"),
      i32("ldOut"),
      ptr("x"),
      i32("ldX"),
      i32("activation"),
      i32("gated"),
      i32("n"),
      i32("columns")),
  ROPE(
      "rope",
      256,
      Variants.ACTIVATIONS,
      ptr("x"),
      i32("ldX"),
      ptr("table"),
      ptr("counters"),
      ptr("keyStart"),
      i32("tokensPerSequence"),
      i32("n"),
      i32("heads"),
      i32("headDim")),
  /** Writes k and v into the caches; variants are activation_cache. */
  STORE_KV(
      "store_kv",
      256,
      Variants.product(Variants.ACTIVATIONS, Variants.ACTIVATIONS),
      ptr("k"),
      i32("ldK"),
      ptr("v"),
      i32("ldV"),
      ptr("kCache"),
      ptr("vCache"),
      ptr("counters"),
      i32("tokensPerSequence"),
      i32("n"),
      i32("nKvHeads"),
      i32("headDim"),
      i32("maxSeqLen")),
  /** RoPE of q in place; rotated k and v into the caches, k itself stays as it is. */
  ROPE_STORE(
      "store_kv",
      256,
      Variants.product(Variants.ACTIVATIONS, Variants.ACTIVATIONS),
      ptr("q"),
      i32("ldQ"),
      ptr("k"),
      i32("ldK"),
      ptr("v"),
      i32("ldV"),
      ptr("kCache"),
      ptr("vCache"),
      ptr("table"),
      ptr("counters"),
      ptr("keyStart"),
      i32("tokensPerSequence"),
      i32("n"),
      i32("nHeads"),
      i32("nKvHeads"),
      i32("headDim"),
      i32("maxSeqLen")),

  // ---- attention

  /** Tiled online softmax on CUDA cores in fp32; any types; variants bound headDim. */
  ATTENTION("attention", 256, Variants.HEAD_DIMS, Variants.attentionParams(true)),
  /** The same on tensor cores; variants are the type of q, caches and out, and bound headDim. */
  ATTENTION_MMA(
      "attention_mma_*",
      128,
      Variants.product(Variants.HALVES, Variants.MMA_HEAD_DIMS),
      Variants.attentionParams(false)),
  /** One token a sequence: keys split over blocks; variants are cache, headDim, heads a group. */
  ATTENTION_DECODE(
      "attention_decode_*",
      128,
      Variants.product(
          Variants.product(Variants.ACTIVATIONS, Variants.HEAD_DIMS), List.of("g1", "g4", "g8")),
      ptr("partials"),
      ptr("q"),
      i32("ldQ"),
      i32("qType"),
      ptr("kCache"),
      ptr("vCache"),
      ptr("counters"),
      ptr("keyStart"),
      ptr("mask"),
      i32("batch"),
      i32("nHeads"),
      i32("nKvHeads"),
      i32("headDim"),
      f32("scale"),
      i32("window"),
      i32("alibi"),
      i32("maxSeqLen"),
      i32("splits")),
  /** Merges the partial results of {@link #ATTENTION_DECODE}. */
  ATTENTION_COMBINE(
      "attention_combine",
      128,
      Variants.ACTIVATIONS,
      ptr("out"),
      i32("ldOut"),
      ptr("partials"),
      i32("nHeads"),
      i32("headDim"),
      i32("splits")),
  /** The plain path: q·k·scale (+ ALiBi) for every slot written. */
  ATTENTION_SCORES(
      "attention_stored",
      256,
      Variants.ONE,
      ptr("scores"),
      ptr("q"),
      i32("ldQ"),
      i32("qType"),
      ptr("kCache"),
      i32("kvType"),
      ptr("counters"),
      i32("batch"),
      i32("tokensPerSequence"),
      i32("nHeads"),
      i32("nKvHeads"),
      i32("headDim"),
      f32("scale"),
      i32("alibi"),
      i32("maxSeqLen")),
  MASK_SCORES(
      "attention_stored",
      256,
      Variants.ONE,
      ptr("scores"),
      ptr("counters"),
      ptr("keyStart"),
      ptr("mask"),
      i32("tokensPerSequence"),
      i32("rows"),
      i32("nHeads"),
      i32("causal"),
      i32("window"),
      i32("maxSeqLen")),
  SOFTMAX(
      "attention_stored",
      256,
      Variants.ONE,
      ptr("scores"),
      ptr("counters"),
      i32("tokensPerSequence"),
      i32("rows"),
      i32("maxSeqLen")),
  ATTENTION_VALUES(
      "attention_stored",
      256,
      Variants.ONE,
      ptr("out"),
      i32("ldOut"),
      i32("outType"),
      ptr("scores"),
      ptr("vCache"),
      i32("kvType"),
      ptr("counters"),
      i32("batch"),
      i32("tokensPerSequence"),
      i32("nHeads"),
      i32("nKvHeads"),
      i32("headDim"),
      i32("maxSeqLen")),

  // ---- matrix · few rows

  /** out = x·Wᵀ (+ bias) (+ out) on CUDA cores; variants are weight, activation, rows of x. */
  GEMV(
      "gemv_*",
      256,
      Variants.product(
          Variants.product(Variants.WEIGHTS, Variants.ACTIVATIONS), List.of("n1", "n8")),
      Variants.gemvParams(false)),
  /** out = act(x·Wgateᵀ) ⊙ (x·Wupᵀ), weight being [gate; up], on CUDA cores. */
  GEMV_GLU(
      "gemv_*",
      256,
      Variants.product(
          Variants.product(Variants.WEIGHTS, Variants.ACTIVATIONS), List.of("n1", "n8")),
      Variants.gemvParams(true)),
  /** The same as {@link #GEMV} for up to 8 rows on tensor cores; variants are weight_activation. */
  GEMV_MMA("gemv_mma", 256, Variants.MMA_WEIGHTS, Variants.gemvMmaParams(false)),
  /** The same as {@link #GEMV_GLU} for up to 8 rows on tensor cores. */
  GEMV_MMA_GLU("gemv_mma", 256, Variants.MMA_WEIGHTS, Variants.gemvMmaParams(true)),

  // ---- formats

  /** out[r] = weight[firstRow + r] as plain numbers; variants are weight_out. */
  DEQUANTIZE(
      "dequantize",
      256,
      Variants.product(Variants.WEIGHTS, Variants.ACTIVATIONS),
      ptr("out"),
      i32("ldOut"),
      ptr("weight"),
      ptr("scales"),
      f32("weightScale"),
      i32("firstRow"),
      i32("n"),
      i32("columns")),
  /** fp32 rows into the device's layout of a storage type, value / weightScale. */
  QUANTIZE(
      "quantize",
      256,
      Variants.WEIGHTS,
      ptr("weight"),
      ptr("scales"),
      f32("weightScale"),
      i32("firstRow"),
      ptr("x"),
      i32("ldX"),
      i32("n"),
      i32("columns")),
  /** Rows of {@code assay.checkpoint.RandomWeights} straight into a storage type. */
  RANDOM(
      "random",
      256,
      Variants.WEIGHTS,
      ptr("weight"),
      ptr("scales"),
      f32("weightScale"),
      i32("firstRow"),
      i64("key"),
      i64("firstElement"),
      f32("factor"),
      f32("offset"),
      i32("n"),
      i32("columns")),
  /** Rows of uniforms in (0, 1], width · (u − 1/2) + offset, into a storage type. */
  RANDOM_UNIFORM(
      "random",
      256,
      Variants.WEIGHTS,
      ptr("weight"),
      ptr("scales"),
      f32("weightScale"),
      i32("firstRow"),
      ptr("uniforms"),
      f32("width"),
      f32("offset"),
      i32("n"),
      i32("columns")),
  /** result (fp32) = max(result, |element|) over the same generator; result starts at 0. */
  RANDOM_ABSMAX(
      "random",
      256,
      Variants.ONE,
      ptr("result"),
      i64("key"),
      i64("firstElement"),
      f32("factor"),
      f32("offset"),
      i64("count")),
  /** result (fp32) = max(result, |x[i]|); result starts at 0. */
  ABSMAX("quantize", 256, Variants.ONE, ptr("result"), ptr("x"), i64("count")),
  /** Row-major stored blocks into {@link PackedLayout}. */
  PACK(
      "pack",
      256,
      Variants.BLOCKED,
      ptr("quants"),
      ptr("scales"),
      ptr("stored"),
      i32("firstRow"),
      i32("n"),
      i32("blocksPerRow")),
  /** {@link PackedLayout} back into row-major stored blocks. */
  UNPACK(
      "pack",
      256,
      Variants.BLOCKED,
      ptr("stored"),
      ptr("quants"),
      ptr("scales"),
      i32("firstRow"),
      i32("n"),
      i32("blocksPerRow")),
  /** Rows from one plain type to another; variants are from_to. */
  CONVERT(
      "convert",
      256,
      Variants.product(Variants.ACTIVATIONS, Variants.ACTIVATIONS),
      ptr("out"),
      i32("ldOut"),
      ptr("x"),
      i32("ldX"),
      i32("n"),
      i32("columns")),
  /** out[r] = e4m3(x[r] / factor[r]), a power of two for each row. */
  ROUND_F8(
      "round_f8",
      512,
      Variants.ACTIVATIONS,
      ptr("out"),
      i32("ldOut"),
      ptr("factors"),
      ptr("x"),
      i32("ldX"),
      i32("columns")),
  /** y[r] *= factor[r]. */
  SCALE_ROWS(
      "round_f8",
      256,
      Variants.ACTIVATIONS,
      ptr("y"),
      i32("ldY"),
      ptr("factors"),
      i32("n"),
      i32("columns")),
  /** JCurand's (0, 1] to [0, 1): x = 1 − x. */
  HALF_OPEN("convert", 256, Variants.ONE, ptr("x"), i64("count")),

  // ---- tokens

  /** First half of greedy: the best of each part of a row of logits. */
  GREEDY_PARTIAL(
      "sample",
      256,
      Variants.ONE,
      ptr("partials"),
      ptr("logits"),
      i32("ldLogits"),
      i32("vocabulary"),
      i32("parts")),
  /** Second half of greedy: the best of the parts. */
  GREEDY_PICK(
      "sample",
      128,
      Variants.ONE,
      ptr("tokens"),
      ptr("history"),
      ptr("counters"),
      ptr("partials"),
      i32("batch"),
      i32("parts")),
  /** Temperature, top-k, top-p and the draw; a block a sequence. */
  SAMPLE(
      "sample",
      1024,
      Variants.ONE,
      ptr("tokens"),
      ptr("history"),
      ptr("logits"),
      i32("ldLogits"),
      i32("vocabulary"),
      f32("temperature"),
      i32("topK"),
      f32("topP"),
      ptr("uniforms"),
      ptr("counters"),
      i32("batch")),
  /** out[r] = log softmax(logits[r])[ids[r]]. */
  LOG_PROBS(
      "log_probs",
      256,
      Variants.ONE,
      ptr("out"),
      ptr("logits"),
      i32("ldLogits"),
      ptr("ids"),
      i32("n"),
      i32("vocabulary")),
  ADVANCE("advance", 1, Variants.ONE, ptr("counters"), i32("tokens"), i32("draws")),
  ZERO("zero", 256, Variants.ONE, ptr("target"), i64("bytes"));

  /** One parameter of a kernel. */
  record Param(String name, Kind kind) {
    /** How PTX declares it. */
    enum Kind {
      POINTER(".u64"),
      I32(".u32"),
      I64(".u64"),
      F32(".f32");

      private final String ptxType;

      Kind(String ptxType) {
        this.ptxType = ptxType;
      }

      String ptxType() {
        return ptxType;
      }
    }

    static Param ptr(String name) {
      return new Param(name, Kind.POINTER);
    }

    static Param i32(String name) {
      return new Param(name, Kind.I32);
    }

    static Param i64(String name) {
      return new Param(name, Kind.I64);
    }

    static Param f32(String name) {
      return new Param(name, Kind.F32);
    }
  }

  /**
   * One entry point.
   *
   * @param kernel its family
   * @param variant the rest of its name, empty where the family has one entry
   */
  record Entry(Kernel kernel, String variant) {
    /** The name in the PTX file. */
    String name() {
      String prefix = kernel.name().toLowerCase(java.util.Locale.ROOT);
      return variant.isEmpty() ? prefix : prefix + "_" + variant;
    }

    /** The module, a file of {@code kernels/} without its ending. */
    String module() {
      int end = variant.indexOf('_');
      return kernel.module.replace("*", end < 0 ? variant : variant.substring(0, end));
    }

    /** Dynamic shared memory; beyond 48 KiB the function's attribute has to be raised. */
    int sharedBytes() {
      return switch (kernel) {
        case ATTENTION -> SharedBytes.attention(headDimBound());
        case ATTENTION_MMA -> SharedBytes.attentionMma(headDimBound());
        default -> 0;
      };
    }

    private int headDimBound() {
      return Integer.parseInt(variant.substring(variant.lastIndexOf('d') + 1));
    }
  }

  private final String module;
  private final int block;

  // Both lists are unmodifiable ones.
  @SuppressWarnings("ImmutableEnumChecker")
  private final List<String> variants;

  @SuppressWarnings("ImmutableEnumChecker")
  private final List<Param> params;

  Kernel(String module, int block, List<String> variants, Param... params) {
    this.module = module;
    this.block = block;
    this.variants = List.copyOf(variants);
    this.params = List.of(params);
  }

  /** Threads of a block (one dimension). */
  int block() {
    return block;
  }

  /** Parameters in order. */
  List<Param> params() {
    return params;
  }

  /** All entry points of this family. */
  List<Entry> entries() {
    return variants.stream().map(v -> new Entry(this, v)).toList();
  }

  /** Dynamic shared memory of the kernels that use it; the same constants stand in their files. */
  private static final class SharedBytes {
    /**
     * Q rows, one tile of 32 keys or values padded by 4 elements, and weights [rows][36], all fp32;
     * 32 rows, 16 at headDim 256.
     */
    static int attention(int headDim) {
      int rows = AttentionOps.rowsPerBlock(headDim);
      return 4 * (rows * headDim + 32 * (headDim + 4) + rows * 36);
    }

    /** Q rows, a tile of K and one of V, 16 bits an element, rows padded by 8 elements. */
    static int attentionMma(int headDim) {
      int keys = headDim > 96 ? 48 : 64;
      return 2 * (headDim + 8) * (AttentionOps.MMA_ROWS_PER_BLOCK + 2 * keys);
    }
  }

  /** Lists of suffixes and shared parameter lists. */
  private static final class Variants {
    static final List<String> ONE = List.of("");
    static final List<String> ACTIVATIONS = List.of("f32", "f16", "bf16");
    static final List<String> HALVES = List.of("f16", "bf16");
    static final List<String> WEIGHTS = List.of("f32", "f16", "bf16", "f8", "q8", "q4");
    static final List<String> BLOCKED = List.of("q8", "q4");
    static final List<String> HEAD_DIMS = List.of("d64", "d128", "d256");
    static final List<String> MMA_HEAD_DIMS = List.of("d64", "d80", "d96", "d128");

    /** From the fp32 residual stream to activations, and among activations. */
    static final List<String> FROM_RESIDUAL =
        List.of("f32_f32", "f32_f16", "f32_bf16", "f16_f16", "bf16_bf16");

    static final List<String> MMA_WEIGHTS =
        List.of("f16_f16", "bf16_bf16", "f8_f16", "f8_bf16", "q8_f16", "q4_f16");

    static List<String> product(List<String> a, List<String> b) {
      return a.stream().flatMap(x -> b.stream().map(y -> x + "_" + y)).toList();
    }

    static Param[] normParams(boolean add) {
      List<Param> p = new ArrayList<>(List.of(ptr("out"), i32("ldOut"), ptr("x"), i32("ldX")));
      if (add) {
        p.addAll(List.of(ptr("delta"), i32("ldDelta")));
      }
      p.addAll(List.of(ptr("gain"), ptr("bias"), f32("eps"), i32("columns")));
      return p.toArray(Param[]::new);
    }

    /** {@code general}: any types, ALiBi and an arbitrary mask. */
    static Param[] attentionParams(boolean general) {
      List<Param> p = new ArrayList<>(List.of(ptr("out"), i32("ldOut"), ptr("q"), i32("ldQ")));
      p.addAll(List.of(ptr("kCache"), ptr("vCache")));
      if (general) {
        p.addAll(List.of(i32("qType"), i32("kvType")));
      }
      p.addAll(List.of(ptr("counters"), ptr("keyStart")));
      if (general) {
        p.add(ptr("mask"));
      }
      p.addAll(List.of(i32("batch"), i32("tokensPerSequence"), i32("nHeads"), i32("nKvHeads")));
      p.addAll(List.of(i32("headDim"), f32("scale"), i32("causal"), i32("window")));
      if (general) {
        p.add(i32("alibi"));
      }
      p.add(i32("maxSeqLen"));
      return p.toArray(Param[]::new);
    }

    static Param[] gemvParams(boolean glu) {
      List<Param> p = new ArrayList<>(List.of(gemvMmaParams(glu)));
      p.add(i32("warpsPerRow"));
      return p.toArray(Param[]::new);
    }

    static Param[] gemvMmaParams(boolean glu) {
      List<Param> p = new ArrayList<>(List.of(ptr("out"), i32("ldOut")));
      if (!glu) {
        p.add(i32("outIsF32"));
      }
      p.addAll(List.of(ptr("x"), i32("ldX"), ptr("weight"), ptr("scales"), f32("weightScale")));
      p.add(ptr("bias"));
      p.add(i32(glu ? "activation" : "accumulate"));
      p.addAll(List.of(i32("n"), i32("rows"), i32("columns")));
      return p.toArray(Param[]::new);
    }
  }
}
