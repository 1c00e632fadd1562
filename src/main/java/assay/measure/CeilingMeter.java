package assay.measure;

import assay.backend.Backend;
import assay.backend.CeilingProbe;
import assay.backend.SessionShape;
import assay.checkpoint.RandomWeights;
import assay.estimate.Device;
import assay.estimate.Rate;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightRole;
import assay.results.Ceilings;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The most that a device reaches, measured in the same run and with the same code as what is judged
 * by it: a large matrix product in each precision, and one sweep over memory. Each is measured once
 * and kept. No session may be open meanwhile.
 */
public final class CeilingMeter {
  private static final long SEED = 7;

  /**
   * How large and how long.
   *
   * @param gemmSeconds a product that takes longer than this is too large
   * @param sampleSeconds runs of one kind go on for so long
   * @param sweepBytes bytes of the sweep over memory
   * @param cacheBytes last-level cache of a host; 0 when it is not known or not to be measured
   * @param deviceCacheBytes second-level cache of a device apart from the host, out of which no
   *     operand of a product shall come; 0 for a host, whose caches belong to its rate
   */
  public record Effort(
      double gemmSeconds,
      double sampleSeconds,
      long sweepBytes,
      long cacheBytes,
      long deviceCacheBytes) {
    private static final long LEAST_SWEEP_BYTES = 256L << 20;
    private static final long USUAL_CACHE_BYTES = 64L << 20;

    /** For a host. */
    public Effort(double gemmSeconds, double sampleSeconds, long sweepBytes, long cacheBytes) {
      this(gemmSeconds, sampleSeconds, sweepBytes, cacheBytes, 0);
    }

    /**
     * For this device: a sweep of at least four times the last-level cache, and under a second for
     * each number.
     */
    public static Effort usual(Backend device) {
      boolean host = device.sharesHostMemory();
      long hostCache = host ? ProcFile.lastLevelCacheBytes().orElse(0) : 0;
      long cache =
          host ? (hostCache > 0 ? hostCache : USUAL_CACHE_BYTES) : DeviceCache.bytes(device);
      return new Effort(
          0.12, 0.5, Math.max(4 * cache, LEAST_SWEEP_BYTES), hostCache, DeviceCache.bytes(device));
    }
  }

  private record Shape(int n, int in, int out) {
    double flops() {
      return 2.0 * n * in * out;
    }

    @Override
    public String toString() {
      return n + "×" + in + "×" + out;
    }
  }

  private static final List<Shape> SHAPES =
      List.of(
          new Shape(32, 128, 128),
          new Shape(128, 512, 512),
          new Shape(256, 1024, 1024),
          new Shape(512, 2048, 4096),
          new Shape(2048, 4096, 4096),
          new Shape(8192, 8192, 8192));

  /**
   * One size of product that was tried on the way to the largest.
   *
   * @param shape n × in × out
   * @param flopsPerSecond of the fastest run
   * @param rotatingBuffers sets of operands that took turns, so that none was in the device's cache
   */
  public record GemmSize(String shape, double flopsPerSecond, int rotatingBuffers) {}

  private record Gemm(Shape shape, double flopsPerSecond, int sets) {
    GemmSize size() {
      return new GemmSize(shape.toString(), flopsPerSecond, sets);
    }
  }

  private record Sweep(long bytes, double bytesPerSecond, String kind) {}

  private final Backend backend;
  private final Effort effort;
  private final @Nullable Device datasheet;
  private final Map<Precision, Gemm> gemms = new EnumMap<>(Precision.class);
  private final Map<Precision, List<GemmSize>> sizes = new EnumMap<>(Precision.class);
  private @Nullable Sweep sweep;
  private @Nullable Sweep cacheSweep;
  private @Nullable Double arithmetic;

  /** Nothing is measured yet; no datasheet is known, the peak is what is measured. */
  public CeilingMeter(Backend backend, Effort effort) {
    this(backend, effort, null);
  }

  /**
   * Nothing is measured yet.
   *
   * @param datasheet peaks and bandwidth of the very device, or null
   */
  public CeilingMeter(Backend backend, Effort effort, @Nullable Device datasheet) {
    this.backend = backend;
    this.effort = effort;
    this.datasheet = datasheet;
  }

  /**
   * The ceilings for a model, measured now or before. Where its widths keep it from the arithmetic
   * that large products of its precision have, they are those of what its own products use.
   *
   * @param prefillRows rows of its products in prefill
   * @param decodeRows likewise in decode
   */
  public Ceilings of(Precision p, ModelConfig c, int prefillRows, int decodeRows) {
    Precision prefill = backend.multipliesIn(p, c, prefillRows);
    Precision decode = backend.multipliesIn(p, c, decodeRows);
    Ceilings own = of(prefill == ofLarge(p) ? p : prefill);
    return prefill == decode ? own : own.withDecodePeak(of(decode).peakFlopsPerSecond());
  }

  /** What the largest product that is tried here multiplies in. */
  private Precision ofLarge(Precision p) {
    Shape s = SHAPES.getLast();
    return backend.multipliesIn(p, sessionFor(p, s).config(), s.n);
  }

  /** The ceilings of large products for a precision, measured now or before. */
  public Ceilings of(Precision precision) {
    Gemm gemm = gemms.computeIfAbsent(precision, this::largestGemm);
    if (sweep == null) {
      sweep = measureSweep(effort.sweepBytes);
      cacheSweep = effort.cacheBytes > 0 ? measureSweep(effort.cacheBytes / 2) : null;
      arithmetic = backend instanceof CeilingProbe probe ? measureArithmetic(probe) : null;
    }
    Shape s = gemm.shape;
    Rate peak = datasheet == null ? null : datasheet.peaks().get(ofLarge(precision));
    Rate bandwidth = datasheet == null ? null : datasheet.bandwidth();
    return new Ceilings(
        peak == null ? gemm.flopsPerSecond : peak.perSecond(),
        peak == null ? "measured" : "datasheet",
        null,
        gemm.flopsPerSecond,
        s.toString(),
        sweep.bytesPerSecond,
        sweep.bytes,
        sweep.kind,
        cacheSweep == null ? null : effort.cacheBytes,
        cacheSweep == null ? null : cacheSweep.bytesPerSecond,
        bandwidth == null ? null : bandwidth.perSecond(),
        gemm.sets,
        arithmetic);
  }

  /** The sizes of product that {@link #of} tried, in order; empty before that. */
  public List<GemmSize> sizes(Precision precision) {
    return List.copyOf(sizes.getOrDefault(precision, List.of()));
  }

  /**
   * Grows the product, looking only briefly, until the next would take too long; the last is then
   * sampled in full. The best run counts: it is a ceiling, and a small product that runs in the
   * caches can be the faster one.
   */
  private Gemm largestGemm(Precision precision) {
    double brief = effort.sampleSeconds / 10;
    // In full: one slow sample here would end the growth at once and leave a ceiling far too low.
    Gemm best = gemm(precision, SHAPES.getFirst(), effort.sampleSeconds);
    List<GemmSize> tried = sizes.computeIfAbsent(precision, p -> new ArrayList<>());
    tried.add(best.size());
    Shape last = best.shape;
    for (Shape next : SHAPES.subList(1, SHAPES.size())) {
      double expected = next.flops() / best.flopsPerSecond;
      if (expected > effort.gemmSeconds || !fits(precision, next)) {
        break;
      }
      last = next;
      Gemm found = gemm(precision, next, brief);
      tried.add(found.size());
      best = faster(best, found);
    }
    Gemm full = gemm(precision, last, effort.sampleSeconds);
    tried.set(
        tried.size() - 1,
        faster(new Gemm(last, tried.getLast().flopsPerSecond, full.sets), full).size());
    return faster(best, full);
  }

  private static Gemm faster(Gemm a, Gemm b) {
    return b.flopsPerSecond >= a.flopsPerSecond ? b : a;
  }

  private boolean fits(Precision precision, Shape s) {
    return operandBytes(precision, s) < backend.memory().freeBytes() / 4;
  }

  private static long operandBytes(Precision precision, Shape s) {
    return precision.weightType().bytes(s.out, s.in) + 4L * s.n * s.in + 4L * s.n * s.out;
  }

  /** What one run multiplies. */
  private record Operands(Tensor x, Tensor w, Tensor y) {}

  private Gemm gemm(Precision precision, Shape s, double sampleSeconds) {
    DType type = backend.activationType(precision);
    SessionShape session = sessionFor(precision, s);
    long scratch = backend.workspaceBytes(session);
    int sets =
        DeviceCache.sets(
            operandBytes(precision, s), effort.deviceCacheBytes, backend.memory().freeBytes() / 4);
    TensorPlan plan = new TensorPlan();
    for (int i = 0; i < sets; i++) {
      plan.allocate(type, s.n, s.in);
      backend.weight(plan, precision.weightType(), s.out, s.in);
      plan.allocate(type, s.n, s.out);
    }
    try (Arena workspace = backend.newArena(MemoryCategory.WORKSPACE, TensorPlan.padded(scratch));
        Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, plan.reservedBytes())) {
      backend.reserveWorkspace(session, workspace);
      List<Operands> operands = new ArrayList<>();
      for (int i = 0; i < sets; i++) {
        operands.add(
            new Operands(
                arena.allocate(type, s.n, s.in),
                backend.weight(arena, precision.weightType(), s.out, s.in),
                arena.allocate(type, s.n, s.out)));
      }
      fill(operands, s);
      int[] turn = {0};
      double seconds =
          FastestRun.seconds(
              backend,
              sampleSeconds,
              () -> {
                Operands o = operands.get(turn[0]);
                turn[0] = (turn[0] + 1) % sets;
                backend.matmul(o.x, o.w, o.y, false);
              });
      return new Gemm(s, s.flops() / seconds, sets);
    }
  }

  /** A session whose scratch memory suffices for such a product. */
  private static SessionShape sessionFor(Precision precision, Shape s) {
    ModelConfig config =
        ModelConfig.builder("ceiling", "llama")
            .size(1, s.in, s.out)
            .heads(s.in / 64, s.in / 64, 64)
            .tokens(s.out, s.n)
            .build();
    return new SessionShape(config, precision, 1, s.n, s.n, s.n);
  }

  /** Random numbers: zeros run faster on some devices. */
  private void fill(List<Operands> operands, Shape s) {
    ModelConfig config =
        ModelConfig.builder("ceiling", "llama")
            .size(1, s.in, s.out)
            .heads(1, 1, 2)
            .tokens(2, 1)
            .build();
    RandomWeights random = new RandomWeights(config, SEED);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      Tensor x = operands.getFirst().x;
      TensorSpec inputs = new TensorSpec(WeightRole.DOWN, 0, s.n, s.in);
      MemorySegment staging = scratch.allocate(x.bytes(), 64);
      random.read(inputs, 0, s.n, x.type(), staging);
      operands.forEach(o -> backend.write(o.x, staging));
    }
    TensorSpec weights = new TensorSpec(WeightRole.UP, 0, s.out, s.in);
    boolean made =
        random
            .randomStream(weights)
            .map(
                stream ->
                    operands.stream().allMatch(o -> backend.generateWeight(o.w, 0, s.out, stream)))
            .orElse(false);
    if (made) {
      return;
    }
    int rows = Math.min(s.out, 512);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      DType stored = operands.getFirst().w.type();
      MemorySegment staging = scratch.allocate(stored.bytes(rows, s.in), 64);
      for (int first = 0; first < s.out; first += rows) {
        int at = first;
        random.read(weights, first, rows, stored, staging);
        operands.forEach(o -> backend.writeWeight(o.w, at, rows, staging));
      }
    }
  }

  // ---- memory

  private static final int SWEEP_COLUMNS = 4096;

  private Sweep measureSweep(long bytes) {
    int n = sweepRows(bytes);
    return backend instanceof CeilingProbe probe ? probed(probe, n) : streamed(n);
  }

  private int sweepRows(long bytes) {
    long most = backend.memory().freeBytes() / 4;
    return Math.toIntExact(Math.max(1, Math.min(bytes, most) / (4L * SWEEP_COLUMNS)));
  }

  private Sweep probed(CeilingProbe probe, int rows) {
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.F32, rows, SWEEP_COLUMNS);
    plan.allocate(DType.F32, 1, 1);
    try (Arena arena = backend.newArena(MemoryCategory.WORKSPACE, plan.reservedBytes())) {
      Tensor memory = arena.allocate(DType.F32, rows, SWEEP_COLUMNS);
      Tensor sum = arena.allocate(DType.F32, 1, 1);
      writeOnes(memory, (first, count) -> memory.rows(first, count));
      double seconds =
          FastestRun.seconds(backend, effort.sampleSeconds, () -> probe.readSweep(memory, sum));
      double expected = (double) rows * SWEEP_COLUMNS;
      double found = TensorValues.read(backend, sum)[0];
      if (!(Math.abs(found - expected) <= 0.01 * expected)) {
        throw new IllegalStateException(
            "the read sweep summed %s instead of %s: it does not read everything"
                .formatted(found, expected));
      }
      return new Sweep(memory.bytes(), memory.bytes() / seconds, probe.sweepKind());
    }
  }

  private double measureArithmetic(CeilingProbe probe) {
    TensorPlan plan = new TensorPlan();
    plan.allocate(DType.F32, 1, 1);
    try (Arena arena = backend.newArena(MemoryCategory.WORKSPACE, plan.reservedBytes())) {
      Tensor result = arena.allocate(DType.F32, 1, 1);
      double flops = probe.arithmeticSweep(result);
      return flops
          / FastestRun.seconds(backend, effort.sampleSeconds, () -> probe.arithmeticSweep(result));
    }
  }

  /** Without a probe: the product of one row with a large matrix, which reads every weight once. */
  private Sweep streamed(int rows) {
    SessionShape session = sessionFor(Precision.FP32, new Shape(1, SWEEP_COLUMNS, rows));
    long scratch = backend.workspaceBytes(session);
    TensorPlan plan = new TensorPlan();
    backend.weight(plan, DType.F32, rows, SWEEP_COLUMNS);
    plan.allocate(DType.F32, 1, SWEEP_COLUMNS);
    plan.allocate(DType.F32, 1, rows);
    try (Arena workspace = backend.newArena(MemoryCategory.WORKSPACE, TensorPlan.padded(scratch));
        Arena arena = backend.newArena(MemoryCategory.WEIGHTS, plan.reservedBytes())) {
      backend.reserveWorkspace(session, workspace);
      Tensor w = backend.weight(arena, DType.F32, rows, SWEEP_COLUMNS);
      Tensor x = arena.allocate(DType.F32, 1, SWEEP_COLUMNS);
      Tensor y = arena.allocate(DType.F32, 1, rows);
      writeOnesAsWeight(w);
      TensorValues.write(backend, x, ones(SWEEP_COLUMNS));
      double seconds =
          FastestRun.seconds(backend, effort.sampleSeconds, () -> backend.matmul(x, w, y, false));
      return new Sweep(w.bytes(), w.bytes() / seconds, "fp32 matrix times vector");
    }
  }

  private interface RowsOf {
    Tensor rows(int first, int count);
  }

  private void writeOnes(Tensor memory, RowsOf view) {
    inPieces(memory, (first, count, ones) -> backend.write(view.rows(first, count), ones));
  }

  private void writeOnesAsWeight(Tensor weight) {
    inPieces(weight, (first, count, ones) -> backend.writeWeight(weight, first, count, ones));
  }

  private interface PieceWriter {
    void write(int firstRow, int count, MemorySegment ones);
  }

  private static void inPieces(Tensor t, PieceWriter writer) {
    int rows = Math.min(t.rows(), 256);
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment staging = scratch.allocate(4L * rows * t.columns(), 64);
      for (long i = 0; i < (long) rows * t.columns(); i++) {
        staging.setAtIndex(ValueLayout.JAVA_FLOAT, i, 1f);
      }
      for (int first = 0; first < t.rows(); first += rows) {
        int count = Math.min(rows, t.rows() - first);
        writer.write(first, count, staging.asSlice(0, 4L * count * t.columns()));
      }
    }
  }

  private static float[] ones(int n) {
    float[] out = new float[n];
    java.util.Arrays.fill(out, 1f);
    return out;
  }
}
