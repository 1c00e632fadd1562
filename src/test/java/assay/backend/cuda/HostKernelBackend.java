package assay.backend.cuda;

import assay.backend.AttentionSpec;
import assay.backend.BackendInfo;
import assay.backend.HostBackend;
import assay.backend.OpShapes;
import assay.backend.SamplingSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.backend.reference.ReferenceBackend;
import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.tensor.Arena;
import assay.tensor.HostArena;
import assay.tensor.HostBuffer;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A back end whose device is this machine's CPU running the GPU kernels: the real launch code of
 * this package over {@link HostKernels}. Memory begins as 0xFF, as a poisoned device's would.
 * Products of more rows than the kernels take go where they would go to cuBLAS: here to the
 * reference.
 */
final class HostKernelBackend extends HostBackend {
  private static final int SM_COUNT = 4;
  private final ReferenceBackend library = new ReferenceBackend();
  private final AtomicLong scratchBytes = new AtomicLong();
  private final RowOps rows;
  private final AttentionOps attention;
  private final MatrixOps matrices;
  private final TokenOps tokens;
  private Arena scratch = new HostArena(MemoryCategory.WORKSPACE, 1 << 20, scratchBytes);

  /**
   * Over a launcher.
   *
   * @param tensorCores as a device of compute capability 8.0 would
   */
  HostKernelBackend(Launcher launcher, boolean tensorCores) {
    KernelTable table = new KernelTable(launcher, HostKernelBackend::address);
    rows = new RowOps(table);
    attention = new AttentionOps(table, SM_COUNT, tensorCores);
    matrices = new MatrixOps(table, SM_COUNT, tensorCores);
    tokens = new TokenOps(table);
    useScratch(scratch.allocate(DType.U8, 1, 1 << 20));
  }

  MatrixOps matrices() {
    return matrices;
  }

  RowOps rows() {
    return rows;
  }

  TokenOps tokens() {
    return tokens;
  }

  static long address(Tensor t) {
    return HostBuffer.of(t).address() + t.offsetBytes();
  }

  private void useScratch(Tensor t) {
    HostBuffer.of(t).asSlice(t.offsetBytes(), t.bytes()).fill((byte) 0xff);
    tokens.workspace(address(t));
    attention.workspace(address(t) + t.bytes() / 2);
  }

  @Override
  public BackendInfo info() {
    return new BackendInfo("host kernels", "GPU kernels on the CPU", "HostKernelBackend", Map.of());
  }

  @Override
  public boolean supports(Precision precision) {
    return true;
  }

  @Override
  public String arithmetic(Precision precision, boolean prefill) {
    return "GPU kernels on the CPU";
  }

  @Override
  public DType activationType(Precision precision) {
    return switch (precision) {
      case FP32, TF32 -> DType.F32;
      case BF16, FP8 -> DType.BF16;
      case FP16, INT8, INT4 -> DType.F16;
    };
  }

  @Override
  public Arena newArena(MemoryCategory category, long capacityBytes) {
    Arena a = super.newArena(category, capacityBytes);
    if (capacityBytes > 0) {
      Tensor probe = Tensor.rowMajor(bufferOf(a), 0, DType.U8, 1, 0);
      HostBuffer.of(probe).fill((byte) 0xff);
    }
    return a;
  }

  private static assay.tensor.DeviceBuffer bufferOf(Arena a) {
    return a.allocate(DType.U8, 1, 0).buffer();
  }

  @Override
  public long workspaceBytes(SessionShape s) {
    ModelConfig c = s.config();
    long need =
        Math.max(
            TokenOps.workspaceBytes(s.batch(), c.vocabSize()),
            attention.workspaceBytes(
                s.batch(), c.nHeads(), c.nKvHeads(), c.headDim(), s.maxSeqLen()));
    return 2 * (need + 255) / 256 * 256;
  }

  @Override
  public void reserveWorkspace(SessionShape shape, Arena arena) {
    useScratch(arena.allocate(DType.U8, 1, Math.toIntExact(workspaceBytes(shape))));
  }

  // ---- weights

  @Override
  public Tensor weight(TensorAllocator arena, DType type, int rowCount, int columns) {
    Tensor t = arena.allocate(type, rowCount, columns);
    return PackedLayout.applies(type) ? t.packed() : t;
  }

  @Override
  public void writeWeight(Tensor weight, int firstRow, int rowCount, MemorySegment source) {
    if (weight.layout() == Tensor.Layout.PACKED) {
      matrices.pack(source.address(), weight, firstRow, rowCount);
    } else {
      super.writeWeight(weight, firstRow, rowCount, source);
    }
  }

  @Override
  public void readWeight(Tensor weight, int firstRow, int rowCount, MemorySegment target) {
    if (weight.layout() == Tensor.Layout.PACKED) {
      matrices.unpack(weight, firstRow, rowCount, target.address());
    } else {
      super.readWeight(weight, firstRow, rowCount, target);
    }
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    OpShapes.matmul(x, weight, out);
    if (matrices.takes(x, weight)) {
      matrices.gemv(x, weight, null, accumulate, out);
      return;
    }
    try (Arena panel =
        new HostArena(
            MemoryCategory.WORKSPACE, 4L * weight.rows() * weight.columns() + 256, scratchBytes)) {
      Tensor plain = panel.allocate(DType.F32, weight.rows(), weight.columns());
      matrices.dequantize(weight, 0, plain);
      library.matmul(x, plain, out, accumulate);
    }
  }

  // ---- everything else is the kernels'

  @Override
  public void zero(Tensor target) {
    tokens.zero(target);
  }

  @Override
  public void embed(
      Tensor ids, Tensor table, @Nullable Tensor positions, StepState state, Tensor out) {
    rows.embed(ids, table, positions, state, out);
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    rows.norm(kind, x, gain, bias, eps, out);
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
    rows.addNorm(x, delta, kind, gain, bias, eps, out);
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    rows.headNorm(x, gain, eps);
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    rows.bias(x, bias);
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    rows.rope(x, headDim, table, state);
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    rows.storeKv(spec, k, v, state, kCache, vCache);
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
    attention.attention(spec, q, kCache, vCache, state, mask, out);
  }

  @Override
  public void attentionScores(
      AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    attention.scores(spec, q, kCache, state, scores);
  }

  @Override
  public void maskScores(
      AttentionSpec spec, StepState state, @Nullable Tensor mask, Tensor scores) {
    attention.mask(spec, state, mask, scores);
  }

  @Override
  public void softmax(AttentionSpec spec, StepState state, Tensor scores) {
    attention.softmax(spec, state, scores);
  }

  @Override
  public void attentionValues(
      AttentionSpec spec, Tensor scores, Tensor vCache, StepState state, Tensor out) {
    attention.values(spec, scores, vCache, state, out);
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    rows.activation(activation, gated, x, out);
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    rows.add(x, delta);
  }

  @Override
  public void sample(
      SamplingSpec spec,
      Tensor logits,
      @Nullable Tensor uniforms,
      StepState state,
      Tensor ids,
      Tensor history) {
    tokens.sample(spec, logits, uniforms, state, ids, history);
  }

  @Override
  public void advance(StepState state, int count, int draws) {
    tokens.advance(state, count, draws);
  }

  @Override
  public void close() {
    scratch.close();
    super.close();
  }
}
