package assay.backend.cuda;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.BackendInfo;
import assay.backend.DeviceException;
import assay.backend.DeviceMemory;
import assay.backend.DeviceMonitor;
import assay.backend.InputRounding;
import assay.backend.LibraryProbe;
import assay.backend.Mark;
import assay.backend.Recording;
import assay.backend.SamplingSpec;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.backend.cuda.ffm.Nvml;
import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.model.RandomStream;
import assay.model.UserError;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * One NVIDIA GPU: our kernels for few rows and everything that is no matrix product, cuBLAS for
 * products with many rows, one stream, memory from arenas. All calls come from the thread that made
 * it.
 */
public final class CudaBackend implements Backend, DeviceMonitor, LibraryProbe {
  /**
   * One file of {@code kernels/} on this card.
   *
   * @param module the file without its ending
   * @param target the PTX that was taken, such as sm_80; empty where none runs on this card
   * @param failure null, or why it does not load
   */
  public record KernelStatus(String module, String target, @Nullable String failure) {}

  private final CudaContext context;
  private final KernelImages images;
  private final DriverLauncher launcher;
  private final Deque<AutoCloseable> resources = new ArrayDeque<>();
  private final GpuFacts facts;
  private final CudaMemory memory;
  private final CudaScratch scratch;
  private final HostStaging staging;
  private final Blas blas;
  private final RowOps rows;
  private final AttentionOps attention;
  private final AttentionOps planning;
  private final StoredAttention stored;
  private final MatrixOps matrices;
  private final LargeProducts products;
  private final F8Products f8Products;
  private final WeightTransfers weights;
  private final TokenOps tokens;
  private final DeviceRandom random;

  /**
   * Opens a device.
   *
   * @throws CudaUnavailable where there is no driver, no cuBLAS, or no such device
   * @throws assay.backend.DeviceException when the device fails
   */
  CudaBackend(CudaLibraries libraries, int ordinal, KernelImages images) {
    libraries.requireCublas();
    this.images = images;
    Optional<Nvml.Device> nvml =
        libraries.nvml().flatMap(n -> n.device(GpuProperties.of(ordinal).pciBusId()));
    Optional<Nvml.Memory> before = nvml.flatMap(Nvml.Device::memory);
    context = owned(new CudaContext(libraries, ordinal));
    try {
      GpuProperties p = context.properties();
      memory = new CudaMemory(context);
      scratch = new CudaScratch(memory);
      staging = owned(new HostStaging(context));
      blas = owned(new Blas(context));
      launcher = owned(new DriverLauncher(context, images));
      facts = new GpuFacts(libraries, p, blas.version(), nvml, before.map(Nvml.Memory::usedBytes));
      KernelTable table = new KernelTable(launcher, memory::address);
      boolean tensorCores = p.sm() >= 80;
      int multiprocessors = Math.min(p.multiprocessors(), WorkspaceLayout.MULTIPROCESSORS);
      rows = new RowOps(table);
      attention = new AttentionOps(table, multiprocessors, tensorCores);
      planning = new AttentionOps(table, WorkspaceLayout.MULTIPROCESSORS, tensorCores);
      stored = new StoredAttention(table, attention, blas, scratch);
      matrices = new MatrixOps(table, p.multiprocessors(), tensorCores);
      tokens = new TokenOps(table);
      f8Products = owned(new F8Products(context, memory, scratch, staging, rows));
      products = new LargeProducts(table, matrices, blas, f8Products, scratch);
      weights = new WeightTransfers(context, memory, staging, matrices, scratch);
      random = owned(new DeviceRandom(context, memory, matrices, tokens, scratch, staging));
      facts.opened(memory);
    } catch (Throwable t) {
      closeResources();
      throw t;
    }
  }

  private <T extends AutoCloseable> T owned(T resource) {
    resources.push(resource);
    return resource;
  }

  // ---- what it is

  @Override
  public BackendInfo info() {
    return new BackendInfo("cuda", facts.name(), "CudaBackend", facts.all());
  }

  @Override
  public boolean supports(Precision precision) {
    // Tensor cores for tf32 and bf16, and the kernels that convert e4m3, begin with Ampere.
    return switch (precision) {
      case TF32, BF16, FP8 -> context.properties().sm() >= 80;
      default -> true;
    };
  }

  @Override
  public String arithmetic(Precision precision, boolean prefill) {
    String refusal = f8Products.refusal();
    if (!prefill || precision != Precision.FP8) {
      return Arithmetic.words(precision, activationType(precision), prefill, false);
    }
    return refusal == null
        ? Arithmetic.words(precision, DType.BF16, true, true)
            + "; models with widths that are no multiples of 16: "
            + Arithmetic.words(precision, DType.BF16, true, false)
        : Arithmetic.words(precision, DType.BF16, true, false) + " (e4m3 × e4m3: " + refusal + ")";
  }

  @Override
  public String arithmetic(Precision precision, ModelConfig config, int rows) {
    return Arithmetic.words(
        precision, activationType(precision), isMany(rows), f8(precision, config));
  }

  @Override
  public Precision multipliesIn(Precision precision, ModelConfig config, int rows) {
    return Arithmetic.multipliesIn(precision, isMany(rows), f8(precision, config));
  }

  private static boolean isMany(int rows) {
    return rows > MatrixOps.MAX_GEMV_ROWS;
  }

  /** Whether activations are rounded to e4m3 too where a product of the layers has many rows. */
  private boolean f8(Precision precision, ModelConfig config) {
    return precision == Precision.FP8 && f8Products.takes(config);
  }

  @Override
  public InputRounding inputRounding(Precision precision, boolean prefill) {
    return precision == Precision.TF32 && prefill ? InputRounding.TF32 : InputRounding.NONE;
  }

  @Override
  public InputRounding inputRounding(
      Precision precision, ModelConfig config, int rows, Tensor weight) {
    if (!isMany(rows)) {
      return InputRounding.NONE;
    }
    boolean f8 = weight.type() == DType.F8E4M3 && F8Products.takes(weight.rows(), weight.columns());
    return f8 && f8(precision, config) ? InputRounding.FP8_ROWS : inputRounding(precision, true);
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
  public DeviceMemory memory() {
    return memory.driver();
  }

  @Override
  public long liveBytes() {
    return memory.arenaBytes();
  }

  @Override
  public MemoryBooks memoryBooks() {
    return facts.books(memory);
  }

  /** Whether each file of kernels loads on this card; the driver compiles those it has not yet. */
  public List<KernelStatus> kernels() {
    SortedMap<String, List<Kernel.Entry>> modules = new TreeMap<>();
    for (Kernel k : Kernel.values()) {
      for (Kernel.Entry e : k.entries()) {
        modules.computeIfAbsent(e.module(), m -> new ArrayList<>()).add(e);
      }
    }
    return modules.entrySet().stream().map(m -> status(m.getKey(), m.getValue())).toList();
  }

  private KernelStatus status(String module, List<Kernel.Entry> entries) {
    String target = images.target(module, context.properties().sm());
    try {
      entries.forEach(launcher::load);
      return new KernelStatus(module, target, null);
    } catch (DeviceException e) {
      return new KernelStatus(module, target, e.getMessage());
    }
  }

  /**
   * Runs work while a profiler looks that was told to wait for it, such as {@code ncu
   * --profile-from-start off}.
   */
  public void profiled(Runnable work) {
    context.profiled(work);
  }

  /** What was not found beside the driver, what that costs and what to do; a line each. */
  public List<String> missing() {
    return context.libraries().missing();
  }

  @Override
  public @Nullable Sample look() {
    return facts.look();
  }

  @Override
  public @Nullable Sampling startSampling(double everySeconds) {
    return facts.startSampling(everySeconds);
  }

  // ---- memory and transfers

  @Override
  public Arena newArena(MemoryCategory category, long capacityBytes) {
    return memory.newArena(category, capacityBytes);
  }

  @Override
  public long workspaceBytes(SessionShape shape) {
    return WorkspaceLayout.of(shape, planning).totalBytes();
  }

  @Override
  public void reserveWorkspace(SessionShape shape, Arena arena) {
    boolean f8 = f8(shape.precision(), shape.config());
    scratch.reserve(shape, WorkspaceLayout.of(shape, planning), arena, f8);
  }

  @Override
  public Tensor weight(TensorAllocator arena, DType type, int rows, int columns) {
    if (!KernelTable.isWeight(type)) {
      throw new UserError(
          "weights stored as %s: the GPU back end holds f32, f16, bf16, f8e4m3, q8_0 and q4_0; choose a --precision"
              .formatted(type));
    }
    Tensor t = arena.allocate(type, rows, columns);
    return PackedLayout.applies(type) ? t.packed() : t;
  }

  @Override
  public void writeWeight(Tensor weight, int firstRow, int rowCount, MemorySegment source) {
    weights.write(weight, firstRow, rowCount, source);
  }

  @Override
  public void readWeight(Tensor weight, int firstRow, int rowCount, MemorySegment target) {
    weights.read(weight, firstRow, rowCount, target);
  }

  @Override
  public void write(Tensor target, MemorySegment source) {
    weights.writePlain(target, source);
  }

  @Override
  public void read(Tensor source, MemorySegment target) {
    weights.readPlain(source, target);
  }

  @Override
  public void zero(Tensor target) {
    tokens.zero(target);
  }

  @Override
  public boolean generateWeight(Tensor weight, int firstRow, int rowCount, RandomStream stream) {
    return random.generate(weight, firstRow, rowCount, stream);
  }

  @Override
  public Optional<String> ownGenerator(RandomStream stream) {
    return random.ownGenerator(stream);
  }

  @Override
  public OptionalDouble largestGenerated(RandomStream stream, long count) {
    return OptionalDouble.of(random.largest(stream, count));
  }

  @Override
  public void fillUniform(Tensor out, long seed) {
    random.fillUniform(out, seed);
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    weights.copy(from, to);
  }

  @Override
  public void multiplyIntegers(Tensor x, Tensor weight, Tensor out) {
    products.multiplyIntegers(x, weight, out);
  }

  @Override
  public boolean multiplyF8(Tensor x, Tensor weight, Tensor out) {
    return f8Products.multiplyCodes(x, weight, out);
  }

  // ---- order and time

  @Override
  public void await() {
    context.synchronize();
  }

  @Override
  public Recording record(Runnable body) {
    return CudaGraph.record(context, body);
  }

  @Override
  public Mark newMark() {
    return new CudaMark(context);
  }

  // ---- operations

  @Override
  public void embed(
      Tensor tokens, Tensor table, @Nullable Tensor positionTable, StepState state, Tensor out) {
    scratch.select(state);
    rows.embed(
        tokens, packed(table), positionTable == null ? null : packed(positionTable), state, out);
  }

  /** Blocked types only ever lie in {@link PackedLayout} here. */
  private static Tensor packed(Tensor weight) {
    if (PackedLayout.applies(weight.type()) && weight.layout() != Tensor.Layout.PACKED) {
      throw new IllegalArgumentException(weight + " was not made by Backend.weight");
    }
    return weight;
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
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    if (matrices.takes(x, packed(weight))) {
      matrices.gemv(x, weight, null, accumulate, out);
    } else {
      products.multiply(x, weight, out, accumulate);
    }
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
      AttentionSpec s,
      Tensor q,
      Tensor kCache,
      Tensor vCache,
      StepState state,
      @Nullable Tensor mask,
      Tensor out) {
    scratch.select(state);
    long bytes =
        attention.workspaceBytes(s.batch(), s.nHeads(), s.nKvHeads(), s.headDim(), s.maxSeqLen());
    attention.workspace(scratch.address(CudaScratch.Part.ATTENTION, bytes));
    attention.attention(s, q, kCache, vCache, state, mask, out);
  }

  @Override
  public void attentionScores(
      AttentionSpec spec, Tensor q, Tensor kCache, StepState state, Tensor scores) {
    scratch.select(state);
    stored.scores(spec, q, kCache, state, scores);
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
      Tensor out,
      Tensor history) {
    scratch.select(state);
    long bytes = TokenOps.workspaceBytes(state.batch(), logits.columns());
    tokens.workspace(scratch.address(CudaScratch.Part.GREEDY, bytes));
    tokens.sample(spec, logits, uniforms, state, out, history);
  }

  @Override
  public void advance(StepState state, int count, int draws) {
    tokens.advance(state, count, draws);
  }

  // ---- the end

  private void closeResources() {
    while (!resources.isEmpty()) {
      try {
        resources.pop().close();
      } catch (RuntimeException e) {
        throw e;
      } catch (Exception e) {
        throw new IllegalStateException(e); // none of them declares one
      }
    }
  }

  @Override
  public void close() {
    if (resources.isEmpty()) {
      return;
    }
    List<String> open;
    try {
      open = memory.close();
    } finally {
      closeResources();
    }
    if (!open.isEmpty()) {
      throw new IllegalStateException("arenas were still open: " + String.join(", ", open));
    }
  }
}
