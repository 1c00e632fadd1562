package assay.engine;

import assay.backend.Backend;
import assay.backend.DeviceMemory;
import assay.backend.Recording;
import assay.backend.SessionShape;
import assay.backend.StepState;
import assay.model.ModelConfig;
import assay.model.UserError;
import assay.model.WeightSource;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import org.jspecify.annotations.Nullable;

/**
 * One model on one device: everything allocated once at {@link #open}, then any number of {@link
 * #start}, {@link #enqueuePrefill}, {@link #enqueueDecode}.
 *
 * <p>The first generated token comes from the prefill; each {@link #enqueueDecode} yields one more.
 * Tokens stay on the device until read.
 */
public final class Session implements AutoCloseable {
  private final Backend backend;
  private final ModelConfig config;
  private final SessionOptions options;
  private final List<Arena> arenas = new ArrayList<>();
  private final MemoryPlan memory;
  private final Weights weights;
  private final SessionTensors.KvCache cache;
  private final SessionTensors.Activations activations;
  private final SessionTensors.Control control;
  private final Map<Integer, ForwardPass> passes = new HashMap<>();
  private final Map<Integer, Tensor> promptChunks = new HashMap<>();
  private final ForwardPass decodePass;
  private @Nullable Recording decodeRecording;
  private int promptSlots;
  private int filledSlots;
  private int draws;

  /** Loads without progress and without a mask matrix. */
  public static Session open(Backend backend, WeightSource source, SessionOptions options) {
    return open(backend, source, options, null, done -> {});
  }

  /**
   * Allocates and loads.
   *
   * @param mask 0/1 bytes [maxSeqLen][maxSeqLen] by slots [query][key], row-major, or null
   * @param progress hears how many parameters are loaded
   * @throws UserError exit code 3, before anything is allocated, when it does not fit
   */
  public static Session open(
      Backend backend,
      WeightSource source,
      SessionOptions options,
      byte @Nullable [] mask,
      LongConsumer progress) {
    check(source.config(), options);
    MemoryPlan plan = plan(backend, source, options, mask != null);
    DeviceMemory device = backend.memory();
    if (plan.totalReservedBytes() > device.freeBytes()) {
      throw new UserError(
          UserError.DOES_NOT_FIT,
          "%s at %s does not fit: %d bytes are needed, %d of %d are free"
              .formatted(
                  source.config().name(),
                  options.precision().label(),
                  plan.totalReservedBytes(),
                  device.freeBytes(),
                  device.totalBytes()));
    }
    return new Session(backend, source, options, plan, mask, progress);
  }

  private static void check(ModelConfig c, SessionOptions o) {
    if (o.maxSeqLen() > c.maxSeqLen()) {
      throw new UserError(
          "a context of %d tokens is longer than the %d that %s has positions for"
              .formatted(o.maxSeqLen(), c.maxSeqLen(), c.name()));
    }
  }

  /**
   * What such a session takes of the device, computed by running the same allocations without
   * memory.
   */
  public static MemoryPlan plan(
      Backend backend, WeightSource source, SessionOptions o, boolean masked) {
    ModelConfig c = source.config();
    MemoryPlan.Collector out = new MemoryPlan.Collector();
    TensorPlan plan = new TensorPlan();
    int lowRank = new Weights(backend, plan, source, o).lowRank();
    out.put(MemoryCategory.WEIGHTS, plan.tensorBytes(), plan.reservedBytes());
    plan = new TensorPlan();
    new SessionTensors.KvCache(plan, c, o);
    out.put(MemoryCategory.KV_CACHE, plan.tensorBytes(), plan.reservedBytes());
    plan = new TensorPlan();
    new SessionTensors.Activations(plan, backend, c, o, lowRank);
    out.put(MemoryCategory.ACTIVATIONS, plan.tensorBytes(), plan.reservedBytes());
    plan = new TensorPlan();
    new SessionTensors.Control(plan, c, o, masked);
    long scratch = backend.workspaceBytes(shape(c, o));
    out.put(
        MemoryCategory.WORKSPACE,
        plan.tensorBytes() + scratch,
        plan.reservedBytes() + TensorPlan.padded(scratch));
    return out.done();
  }

  private static SessionShape shape(ModelConfig c, SessionOptions o) {
    return new SessionShape(
        c, o.precision(), o.batch(), o.maxSeqLen(), o.maxPassTokens(), o.logitRows());
  }

  private Session(
      Backend backend,
      WeightSource source,
      SessionOptions options,
      MemoryPlan plan,
      byte @Nullable [] mask,
      LongConsumer progress) {
    this.backend = backend;
    this.config = source.config();
    this.options = options;
    try {
      weights = new Weights(backend, arena(MemoryCategory.WEIGHTS, plan), source, options);
      cache = new SessionTensors.KvCache(arena(MemoryCategory.KV_CACHE, plan), config, options);
      activations =
          new SessionTensors.Activations(
              arena(MemoryCategory.ACTIVATIONS, plan), backend, config, options, weights.lowRank());
      Arena workspace = arena(MemoryCategory.WORKSPACE, plan);
      control = new SessionTensors.Control(workspace, config, options, mask != null);
      backend.reserveWorkspace(shape(config, options), workspace);
      memory = ledger();
      WeightLoader.load(backend, source, weights, progress);
      writeTables(mask);
      decodePass = pass(1);
      backend.await();
    } catch (Throwable t) {
      closeArenas();
      throw t;
    }
  }

  private Arena arena(MemoryCategory category, MemoryPlan plan) {
    Arena a = backend.newArena(category, plan.reservedBytes().getOrDefault(category, 0L));
    arenas.add(a);
    return a;
  }

  private MemoryPlan ledger() {
    MemoryPlan.Collector out = new MemoryPlan.Collector();
    for (Arena a : arenas) {
      out.put(a.category(), a.tensorBytes(), a.reservedBytes());
    }
    return out.done();
  }

  private void writeTables(byte @Nullable [] mask) {
    if (control.rotary != null) {
      write(control.rotary, MemorySegment.ofArray(RotaryTable.of(config, options.maxSeqLen())));
    }
    if (control.mask != null && mask != null) {
      write(control.mask, MemorySegment.ofArray(mask));
    }
    if (control.uniforms != null) {
      backend.fillUniform(control.uniforms, options.seed());
    }
  }

  /** Device copies need native memory on the host side. */
  private void write(Tensor target, MemorySegment heap) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment off = scratch.allocate(Math.max(1, heap.byteSize()), 64);
      off.copyFrom(heap);
      backend.write(target, off.asSlice(0, heap.byteSize()));
    }
  }

  /**
   * Copies back what the device made by a generator of its own.
   *
   * @param source that the session was opened with
   */
  public CopiedWeights copyOwnWeights(WeightSource source) {
    return CopiedWeights.of(backend, source, weights);
  }

  private ForwardPass pass(int tokensPerSequence) {
    return passes.computeIfAbsent(
        tokensPerSequence,
        n -> new ForwardPass(backend, config, options, weights, cache, activations, control, n));
  }

  // ---- running

  /**
   * Sets the prompts: positions, padding and draws start anew. Unequal lengths are padded on the
   * left.
   *
   * @throws UserError for another number of prompts than the batch, an empty prompt, ids out of
   *     range, or more tokens than the context
   */
  public void start(int[][] prompts) {
    Prompts.check(prompts, config, options);
    int longest = 0;
    for (int[] p : prompts) {
      longest = Math.max(longest, p.length);
    }
    int[] keyStart = new int[prompts.length];
    for (int b = 0; b < prompts.length; b++) {
      keyStart[b] = longest - prompts[b].length;
    }
    write(control.state.keyStart(), MemorySegment.ofArray(keyStart));
    write(control.prompt, MemorySegment.ofArray(Prompts.chunked(prompts, longest, options)));
    promptSlots = longest;
    rewind();
  }

  /** Back to the beginning of the same prompts; the next prefill overwrites the cache. */
  public void rewind() {
    write(control.state.counters(), MemorySegment.ofArray(new int[2]));
    filledSlots = 0;
    draws = 0;
  }

  /**
   * Enqueues the prefill of the prompts, in chunks of maxPassTokens, and the choice of each
   * sequence's first new token.
   */
  public void enqueuePrefill() {
    enqueuePrompt(null, true);
  }

  /**
   * Runs the prompts with an observer that sees the residual stream after each block and the logits
   * of every row; nothing is sampled.
   */
  public void observePrefill(PassObserver observer) {
    enqueuePrompt(observer, false);
    backend.await();
  }

  private void enqueuePrompt(@Nullable PassObserver observer, boolean sample) {
    if (promptSlots == 0 || filledSlots != 0) {
      throw new IllegalStateException("start or rewind first");
    }
    for (int first = 0; first < promptSlots; first += options.maxPassTokens()) {
      int tokens = Math.min(options.maxPassTokens(), promptSlots - first);
      ForwardPass pass = pass(tokens);
      Tensor ids = promptChunk(first, tokens);
      pass.enqueueBlocks(ids, observer);
      boolean last = first + tokens == promptSlots;
      if (observer != null) {
        pass.enqueueAllLogits(observer);
      } else if (last && sample) {
        pass.enqueueLastLogits();
        enqueueSample(pass);
      }
      backend.advance(control.state, tokens, last && sample ? 1 : 0);
    }
    filledSlots = promptSlots;
    draws = sample ? 1 : 0;
  }

  private Tensor promptChunk(int firstSlot, int tokens) {
    // Chunks differ in length only for the last one, so (first, tokens) is determined by both.
    return promptChunks.computeIfAbsent(
        firstSlot * 31 + tokens,
        key -> control.prompt.columns(firstSlot * options.batch(), tokens * options.batch()));
  }

  private void enqueueSample(ForwardPass pass) {
    backend.sample(
        options.sampling(),
        pass.lastLogits(),
        control.uniforms,
        control.state,
        control.tokens,
        control.history);
  }

  private void decodeStep() {
    decodePass.enqueueBlocks(control.tokens, null);
    decodePass.enqueueLastLogits();
    enqueueSample(decodePass);
    backend.advance(control.state, 1, 1);
  }

  /**
   * Enqueues one decode pass for every sequence: feeds the last token, yields the next. Allocates
   * nothing on the host.
   */
  public void enqueueDecode() {
    checkRoom();
    decodeStep();
    filledSlots++;
    draws++;
  }

  /**
   * The same through a recording: the first call records (and runs) the step, later ones replay it.
   */
  public void enqueueRecordedDecode() {
    checkRoom();
    if (decodeRecording == null) {
      decodeRecording = backend.record(this::decodeStep);
    } else {
      decodeRecording.replay();
    }
    filledSlots++;
    draws++;
  }

  private void checkRoom() {
    if (filledSlots == 0) {
      throw new IllegalStateException("prefill first");
    }
    if (filledSlots >= options.maxSeqLen() || draws >= options.maxDraws()) {
      throw new UserError(
          "no room for another token: %d of %d slots and %d of %d draws are used"
              .formatted(filledSlots, options.maxSeqLen(), draws, options.maxDraws()));
    }
  }

  // ---- looking

  /** Waits and returns the latest token of each sequence. */
  public int[] latestTokens() {
    return readInts(control.tokens);
  }

  /** Waits and returns all tokens drawn so far, [batch][draws]. */
  public int[][] generated() {
    int[] all = readInts(control.history.rows(0, draws));
    int[][] out = new int[options.batch()][draws];
    for (int d = 0; d < draws; d++) {
      for (int b = 0; b < options.batch(); b++) {
        out[b][d] = all[d * options.batch() + b];
      }
    }
    return out;
  }

  private int[] readInts(Tensor t) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment off = scratch.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, off);
      return off.asSlice(0, t.bytes()).toArray(ValueLayout.JAVA_INT);
    }
  }

  /** Rows of an fp32 tensor on the host; waits. */
  public float[] readFloats(Tensor t) {
    try (var scratch = java.lang.foreign.Arena.ofConfined()) {
      MemorySegment off = scratch.allocate(Math.max(1, t.bytes()), 64);
      backend.read(t, off);
      MemorySegment bytes = off.asSlice(0, t.bytes());
      if (t.type() == assay.model.DType.F32) {
        return bytes.toArray(ValueLayout.JAVA_FLOAT);
      }
      float[] out = new float[t.rows() * t.columns()];
      for (int r = 0; r < t.rows(); r++) {
        assay.model.BlockFormat.decodeRow(
            t.type(), bytes, r * t.type().rowBytes(t.columns()), t.columns(), out, r * t.columns());
      }
      return out;
    }
  }

  /** The model. */
  public ModelConfig config() {
    return config;
  }

  /** What the session was made for. */
  public SessionOptions options() {
    return options;
  }

  /** Bytes really cut from this session's arenas, by category. */
  public MemoryPlan memory() {
    return memory;
  }

  /** Slots of the KV cache that hold tokens. */
  public int filledSlots() {
    return filledSlots;
  }

  /** The device. */
  public Backend backend() {
    return backend;
  }

  /** Where the sequences stand, for experiments that enqueue operations of their own. */
  public StepState state() {
    return control.state;
  }

  private void closeArenas() {
    for (Arena a : arenas.reversed()) {
      a.close();
    }
    arenas.clear();
  }

  /** Waits for the device and frees everything. */
  @Override
  public void close() {
    if (arenas.isEmpty()) {
      return;
    }
    try {
      backend.await();
      if (decodeRecording != null) {
        decodeRecording.close();
      }
    } finally {
      closeArenas();
    }
  }
}
