package assay.cost;

import static assay.cost.MemoryKind.ACTIVATIONS;
import static assay.cost.MemoryKind.KV_CACHE;
import static assay.cost.MemoryKind.WEIGHTS;
import static assay.cost.MemoryKind.WORKSPACE;

import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.PositionKind;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Device memory of an inference session, buffer by buffer. Derived from the forward pass alone, not
 * from the code that allocates: that the two agree to the byte is a test.
 *
 * @param buffers everything but the device's own scratch
 * @param scratchBytes the device's own scratch, counted as WORKSPACE
 */
public record MemoryCost(List<BufferSpec> buffers, long scratchBytes) {
  /** A copy that cannot change. */
  public MemoryCost {
    buffers = List.copyOf(buffers);
  }

  /** A session whose weight matrices are stored in the precision's type. */
  public static MemoryCost of(ModelConfig c, SessionSize s, long scratchBytes) {
    return of(c, s, scratchBytes, t -> t.storedType(s.types().precision()));
  }

  /**
   * A session whose weights are stored in types of their own (a quantised checkpoint as it is).
   *
   * @param storedType of each tensor of {@link WeightLayout}
   */
  public static MemoryCost of(
      ModelConfig c, SessionSize s, long scratchBytes, Function<TensorSpec, DType> storedType) {
    return of(c, s, scratchBytes, storedType, null);
  }

  /**
   * The same with low-rank adapters beside the weights, unmerged.
   *
   * @param adapter null for none
   */
  public static MemoryCost of(
      ModelConfig c,
      SessionSize s,
      long scratchBytes,
      Function<TensorSpec, DType> storedType,
      @Nullable AdapterShape adapter) {
    List<BufferSpec> out = new ArrayList<>(weights(c, storedType));
    kvCache(out, c, s);
    activations(out, c, s);
    control(out, c, s);
    if (adapter != null) {
      out.addAll(AdapterCost.buffers(adapter, s));
    }
    return new MemoryCost(out, scratchBytes);
  }

  /**
   * The weights alone. Tensors that are multiplied with the same input lie in one buffer when their
   * types agree: q, k and v; gate and up; likewise their biases. Bytes do not change by that, only
   * the padding between buffers.
   */
  public static List<BufferSpec> weights(ModelConfig c, Function<TensorSpec, DType> storedType) {
    SequencedMap<String, List<TensorSpec>> groups = new LinkedHashMap<>();
    for (TensorSpec t : WeightLayout.of(c)) {
      groups.computeIfAbsent(t.layer() + " " + group(t.role()), key -> new ArrayList<>()).add(t);
    }
    List<BufferSpec> out = new ArrayList<>();
    for (List<TensorSpec> group : groups.values()) {
      boolean alike = group.stream().map(storedType).distinct().count() == 1;
      if (alike) {
        out.add(joined(group, storedType.apply(group.getFirst())));
      } else {
        group.forEach(t -> out.add(joined(List.of(t), storedType.apply(t))));
      }
    }
    return out;
  }

  private static String group(WeightRole role) {
    return switch (role) {
      case Q, K, V -> "qkv";
      case Q_BIAS, K_BIAS, V_BIAS -> "qkv_bias";
      case GATE, UP -> "gate_up";
      case GATE_BIAS, UP_BIAS -> "gate_up_bias";
      default -> role.name();
    };
  }

  private static BufferSpec joined(List<TensorSpec> parts, DType type) {
    TensorSpec first = parts.getFirst();
    boolean matrix = first.role().isMatrix();
    long rows = matrix ? parts.stream().mapToLong(TensorSpec::rows).sum() : 1;
    long columns = matrix ? first.columns() : parts.stream().mapToLong(TensorSpec::columns).sum();
    return new BufferSpec(group(first.role()), WEIGHTS, type, rows, columns);
  }

  private static void kvCache(List<BufferSpec> out, ModelConfig c, SessionSize s) {
    long rows =
        Math.multiplyExact(Math.multiplyExact((long) s.batch(), c.nKvHeads()), s.contextTokens());
    for (int layer = 0; layer < c.nLayers(); layer++) {
      // A sliding window does not shrink it: slots are not reused.
      out.add(new BufferSpec("keys", KV_CACHE, s.types().kvCache(), rows, c.headDim()));
      out.add(new BufferSpec("values", KV_CACHE, s.types().kvCache(), rows, c.headDim()));
    }
  }

  private static void activations(List<BufferSpec> out, ModelConfig c, SessionSize s) {
    long n = Math.multiplyExact((long) s.batch(), s.passTokens());
    long expertRows = Math.multiplyExact(n, (long) c.nActiveExperts());
    DType type = s.types().activations();
    long h = c.hiddenSize();
    long inner = c.intermediateSize();
    out.add(new BufferSpec("residual", ACTIVATIONS, DType.F32, n, h));
    out.add(new BufferSpec("normed", ACTIVATIONS, type, n, h));
    out.add(new BufferSpec("qkv", ACTIVATIONS, type, n, c.qDim() + 2L * c.kvDim()));
    out.add(new BufferSpec("attention", ACTIVATIONS, type, n, c.qDim()));
    out.add(new BufferSpec("up", ACTIVATIONS, type, expertRows, c.gatedMlp() ? 2 * inner : inner));
    out.add(new BufferSpec("activated", ACTIVATIONS, type, expertRows, inner));
    out.add(new BufferSpec("delta", ACTIVATIONS, type, n, h));
    out.add(new BufferSpec("last_normed", ACTIVATIONS, type, s.logitRows(), h));
    out.add(new BufferSpec("logits", ACTIVATIONS, DType.F32, s.logitRows(), c.vocabSize()));
    if (s.storedScores()) {
      long rows = Math.multiplyExact(n, (long) c.nHeads());
      out.add(new BufferSpec("scores", ACTIVATIONS, DType.F32, rows, s.contextTokens()));
    }
  }

  private static void control(List<BufferSpec> out, ModelConfig c, SessionSize s) {
    long context = s.contextTokens();
    if (c.positions() == PositionKind.ROPE) {
      out.add(new BufferSpec("rotary", WORKSPACE, DType.F32, context, c.headDim()));
    }
    out.add(new BufferSpec("counters", WORKSPACE, DType.I32, 1, 2));
    out.add(new BufferSpec("key_start", WORKSPACE, DType.I32, 1, s.batch()));
    long promptTokens = Math.multiplyExact((long) s.batch(), context);
    out.add(new BufferSpec("prompt", WORKSPACE, DType.I32, 1, promptTokens));
    out.add(new BufferSpec("tokens", WORKSPACE, DType.I32, 1, s.batch()));
    if (s.randomDraws()) {
      out.add(new BufferSpec("uniforms", WORKSPACE, DType.F32, s.draws(), s.batch()));
    }
    out.add(new BufferSpec("history", WORKSPACE, DType.I32, s.draws(), s.batch()));
    if (s.maskMatrix()) {
      out.add(new BufferSpec("mask", WORKSPACE, DType.U8, context, context));
    }
  }

  /** Exact bytes of one kind. */
  public long bytes(MemoryKind kind) {
    return byKind().getOrDefault(kind, 0L);
  }

  /** Exact bytes by kind. */
  public Map<MemoryKind, Long> byKind() {
    return sums(BufferSpec::bytes, scratchBytes);
  }

  /** Bytes by kind with each buffer padded to the next: what the device is asked for. */
  public Map<MemoryKind, Long> reservedByKind() {
    long padded =
        Math.ceilDiv(scratchBytes, BufferSpec.ALIGNMENT_BYTES) * BufferSpec.ALIGNMENT_BYTES;
    return sums(BufferSpec::reservedBytes, padded);
  }

  private Map<MemoryKind, Long> sums(Function<BufferSpec, Long> size, long scratch) {
    Map<MemoryKind, Long> out = new EnumMap<>(MemoryKind.class);
    for (BufferSpec b : buffers) {
      out.merge(b.category(), size.apply(b), Math::addExact);
    }
    out.merge(WORKSPACE, scratch, Math::addExact);
    return out;
  }

  /** Exact bytes of everything. */
  public long totalBytes() {
    return byKind().values().stream().mapToLong(Long::longValue).reduce(0, Math::addExact);
  }

  /** What the device is asked for in all. */
  public long totalReservedBytes() {
    return reservedByKind().values().stream().mapToLong(Long::longValue).reduce(0, Math::addExact);
  }
}
