package assay.backend.cpu;

import assay.backend.AttentionSpec;
import assay.backend.BackendInfo;
import assay.backend.CeilingProbe;
import assay.backend.HostBackend;
import assay.backend.InputRounding;
import assay.backend.OpShapes;
import assay.backend.SamplingSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.backend.cpu.kernel.GeneratedKernels;
import assay.backend.cpu.kernel.Kernels;
import assay.backend.cpu.kernel.PanelLayout;
import assay.backend.cpu.kernel.RawMemory;
import assay.backend.cpu.kernel.VectorKernels;
import assay.backend.cpu.kernel.VectorRowKernels;
import assay.model.Activation;
import assay.model.DType;
import assay.model.NormKind;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.HugePages;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The CPU, fast: packed weights in their stored type, kernels for this processor ({@link Kernels}),
 * one thread per core. Activations are fp32. Operations have run when their call returns; the
 * calling thread takes part in each.
 */
public final class CpuBackend extends HostBackend implements CeilingProbe {
  private final Kernels kernels;
  private final Workers workers;
  private final WorkerResults results;
  private final RowTasks.Norm norm;
  private final RowTasks.HeadNorm headNorm;
  private final RowTasks.Add add;
  private final RowTasks.Rope rope;
  private final RowTasks.Activate activate;
  private final RowTasks.StoreKv storeKv;
  private final RowTasks.Embed embed;
  private final RowTasks.Transfer transfer;
  private final Matmul matmul;
  private final AttentionJob attention = new AttentionJob();
  private final DecodeAttention decode;
  private final PrefillAttention prefill;
  private final StoredAttention stored;
  private final CpuSampler sampler;
  private final ReadSweep sweep;
  private final ArithmeticSweep arithmetic;

  /** An empty view of the arena that holds the scratch memory: tells whether it still exists. */
  private @Nullable Tensor workspace;

  /** All cores, the fastest kernels that this processor runs. */
  public CpuBackend() {
    this(Runtime.getRuntime().availableProcessors());
  }

  /** So many threads, the fastest kernels that this processor runs. */
  public CpuBackend(int threads) {
    this(threads, bestKernels());
  }

  /** So many threads and these kernels, which it closes. */
  public CpuBackend(int threads, Kernels kernels) {
    this.kernels = kernels;
    workers = new Workers(threads);
    results = new WorkerResults(threads);
    norm = new RowTasks.Norm(kernels.rows(), workers);
    headNorm = new RowTasks.HeadNorm(kernels.rows(), workers);
    add = new RowTasks.Add(kernels.rows(), workers);
    rope = new RowTasks.Rope(kernels.rows(), workers);
    activate = new RowTasks.Activate(kernels.rows(), workers);
    storeKv = new RowTasks.StoreKv(kernels, workers);
    embed = new RowTasks.Embed(workers);
    transfer = new RowTasks.Transfer(workers);
    matmul = new Matmul(kernels, workers, results);
    decode = new DecodeAttention(kernels, workers, results, attention);
    prefill = new PrefillAttention(kernels, workers, attention);
    stored = new StoredAttention(kernels, workers, attention);
    sampler = new CpuSampler(kernels.rows());
    sweep = new ReadSweep(workers);
    arithmetic = new ArithmeticSweep(workers);
  }

  private static Kernels bestKernels() {
    Kernels generated = GeneratedKernels.createIfSupported();
    return generated != null ? generated : new VectorKernels();
  }

  // ---- what it is

  @Override
  public BackendInfo info() {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("threads", Integer.toString(workers.count()));
    facts.put("kernels", kernels.describe());
    facts.put("vector_bits", Integer.toString(VectorRowKernels.vectorBits()));
    facts.put("memory_pages", HugePages.describe());
    return new BackendInfo("cpu", CpuName.read(), "CpuBackend", facts);
  }

  @Override
  public boolean supports(Precision precision) {
    return switch (precision) {
      case FP32, FP16, BF16, INT8, INT4 -> true;
      case TF32, FP8 -> false;
    };
  }

  @Override
  public String arithmetic(Precision precision, boolean prefill) {
    return kernels.arithmetic(precision.weightType(), prefill);
  }

  @Override
  public InputRounding inputRounding(Precision precision, boolean prefill) {
    return kernels.inputRounding(precision.weightType(), prefill);
  }

  @Override
  public DType activationType(Precision precision) {
    return DType.F32;
  }

  // ---- memory

  @Override
  protected void beforeRelease() {
    workers.awaitHelpers();
  }

  @Override
  public long workspaceBytes(SessionShape shape) {
    return Workspace.bytes(kernels, workers.count(), shape);
  }

  @Override
  public void reserveWorkspace(SessionShape shape, Arena arena) {
    Workspace w = new Workspace(kernels, workers.count(), shape, arena);
    workspace = arena.allocate(DType.U8, 0, 1);
    matmul.reserve(w.matmul(), w.rows(), w.columns());
    decode.reserve(w.attention(), w.attentionBytesPerWorker());
    prefill.reserve(w.attention(), w.attentionBytesPerWorker());
    stored.reserve(w.attention(), w.attentionBytesPerWorker());
    sampler.reserve(shape.config().vocabSize());
  }

  /** Kernels write to scratch memory unchecked: after its session is closed they must not run. */
  private void requireWorkspace() {
    if (workspace == null || !workspace.buffer().isAlive()) {
      throw new IllegalStateException("no workspace is reserved, or its session is closed");
    }
  }

  @Override
  public Tensor weight(TensorAllocator arena, DType type, int rows, int columns) {
    Tensor t = arena.allocate(type, rows, columns);
    return PanelLayout.packs(type) ? t.packed() : t;
  }

  @Override
  public void writeWeight(Tensor weight, int firstRow, int rowCount, MemorySegment source) {
    if (weight.layout() == Tensor.Layout.PACKED) {
      transfer(weight, firstRow, rowCount, source, true);
    } else {
      super.writeWeight(weight, firstRow, rowCount, source);
    }
  }

  @Override
  public void readWeight(Tensor weight, int firstRow, int rowCount, MemorySegment target) {
    if (weight.layout() == Tensor.Layout.PACKED) {
      transfer(weight, firstRow, rowCount, target, false);
    } else {
      super.readWeight(weight, firstRow, rowCount, target);
    }
  }

  private void transfer(
      Tensor weight, int firstRow, int rowCount, MemorySegment host, boolean write) {
    long bytes = weight.type().bytes(rowCount, weight.columns());
    if (firstRow < 0 || firstRow > weight.rows() - rowCount || host.byteSize() < bytes) {
      throw new IllegalArgumentException(
          "rows %d + %d of %s, %d bytes".formatted(firstRow, rowCount, weight, host.byteSize()));
    }
    if (!host.isNative()) {
      throw new IllegalArgumentException("rows of weights must lie in native memory");
    }
    transfer.run(weight, firstRow, rowCount, host.address(), write);
  }

  // ---- operations

  @Override
  public void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    OpShapes.embed(tokens, table, positionTable, state, out);
    embed.run(tokens, table, positionTable, state, out);
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    OpShapes.norm(x, gain, bias, out);
    norm.run(kind, null, x, gain, bias, eps, out);
  }

  @Override
  public void addNorm(
      Tensor x,
      Tensor delta,
      NormKind kind,
      Tensor gain,
      @Nullable Tensor bias,
      float eps,
      Tensor out) {
    OpShapes.same("delta", delta, x);
    OpShapes.norm(x, gain, bias, out);
    norm.run(kind, delta, x, gain, bias, eps, out);
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    OpShapes.headNorm(x, gain);
    headNorm.run(x, gain, eps);
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    OpShapes.matmul(x, weight, out);
    requireWorkspace();
    matmul.multiply(x, weight, out, accumulate);
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    OpShapes.bias(x, bias);
    add.run(x, bias, 0);
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    OpShapes.rope(x, headDim, table, state);
    rope.run(x, headDim, table, state);
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    OpShapes.storeKv(spec, k, v, state, kCache, vCache);
    storeKv.run(spec, k, v, state, kCache, vCache);
  }

  @Override
  public void attention(
      AttentionSpec spec,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    OpShapes.attention(spec, q, kCache, vCache, state, mask, out);
    requireWorkspace();
    attention.set(spec, q, kCache, vCache, state, mask, out);
    if (prefill.suits(spec)) {
      prefill.compute();
    } else {
      decode.compute();
    }
  }

  @Override
  public void attentionScores(
      AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    OpShapes.scores(spec, scores, state);
    requireWorkspace();
    attention.set(spec, q, kCache, kCache, state, null, q);
    stored.scores(scores);
  }

  @Override
  public void maskScores(
      AttentionSpec spec, StepState state, @Nullable Tensor mask, Tensor scores) {
    OpShapes.scores(spec, scores, state);
    OpShapes.mask(spec, mask);
    attention.setMask(spec, state, mask);
    stored.mask(scores);
  }

  @Override
  public void softmax(AttentionSpec spec, StepState state, Tensor scores) {
    OpShapes.scores(spec, scores, state);
    attention.setMask(spec, state, null);
    stored.softmax(scores);
  }

  @Override
  public void attentionValues(
      AttentionSpec spec, Tensor scores, Tensor vCache, StepState state, Tensor out) {
    OpShapes.scores(spec, scores, state);
    requireWorkspace();
    attention.set(spec, out, vCache, vCache, state, null, out);
    stored.values(scores);
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    OpShapes.activation(gated, x, out);
    activate.run(activation, gated, x, out);
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    OpShapes.same("delta", delta, x);
    add.run(x, delta, delta.rowStrideBytes());
  }

  @Override
  public void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor tokens,
      Tensor history) {
    OpShapes.sample(spec, logits, uniforms, state, tokens, history);
    int draw = Addresses.draw(state);
    Tensor drawn = spec.isGreedy() ? null : uniforms;
    if (draw < 0 || draw >= history.rows() || (drawn != null && draw >= drawn.rows())) {
      throw new IllegalArgumentException("no room for draw " + draw);
    }
    for (int b = 0; b < state.batch(); b++) {
      double uniform = drawn == null ? 0 : RawMemory.getFloat(Addresses.row(drawn, draw) + 4L * b);
      long row = Addresses.floats(logits) + b * logits.rowStrideBytes();
      int id = sampler.choose(spec, row, logits.columns(), uniform);
      RawMemory.setInt(Addresses.of(tokens) + 4L * b, id);
      RawMemory.setInt(Addresses.row(history, draw) + 4L * b, id);
    }
  }

  @Override
  public void advance(StepState state, int tokens, int draws) {
    long counters = Addresses.of(state.counters());
    RawMemory.setInt(counters + 4L * StepState.SLOT, Addresses.slot(state) + tokens);
    RawMemory.setInt(counters + 4L * StepState.DRAW, Addresses.draw(state) + draws);
  }

  // ---- ceilings

  @Override
  public void readSweep(Tensor memory, Tensor sum) {
    sum.require("sum", DType.F32, 1, 1);
    if (!memory.isDense()) {
      throw new IllegalArgumentException(memory + " is not dense");
    }
    double total = sweep.run(Addresses.floats(memory), (long) memory.rows() * memory.columns());
    RawMemory.setFloat(Addresses.floats(sum), (float) total);
  }

  @Override
  public String sweepKind() {
    return "sum of fp32 by %d threads, vectors of %d bits"
        .formatted(workers.count(), VectorRowKernels.vectorBits());
  }

  @Override
  public double arithmeticSweep(Tensor result) {
    result.require("result", DType.F32, 1, 1);
    RawMemory.setFloat(Addresses.floats(result), (float) arithmetic.run());
    return arithmetic.flops();
  }

  @Override
  public void close() {
    workers.close();
    results.close();
    kernels.close();
    super.close();
  }
}
