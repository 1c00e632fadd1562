package assay.engine;

import assay.backend.Backend;
import assay.model.AdapterSource;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightRole;
import assay.model.WeightSource;
import assay.tensor.Tensor;
import assay.tensor.TensorAllocator;
import assay.tensor.TensorPlan;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Objects;
import java.util.OptionalDouble;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;

/**
 * Copies weights from their source to the device, converting on the way; rows are converted in
 * parallel, written in order.
 */
final class WeightLoader {
  private static final long STAGING_BYTES = 32L << 20;
  static final float F8_MAX = 448f;

  private WeightLoader() {}

  /** Fills every tensor. {@code progress} hears the parameters done so far. */
  static void load(Backend backend, WeightSource source, Weights weights, LongConsumer progress) {
    long done = 0;
    for (Weights.Placement p : weights.placements()) {
      if (p.spec().role().isMatrix()) {
        loadMatrix(backend, source, p);
      } else {
        loadVector(backend, source, p);
      }
      done += p.spec().elements();
      progress.accept(done);
    }
    AdapterSource adapter = source.adapter();
    for (Weights.AdapterPlacement p : weights.adapterPlacements()) {
      loadAdapter(backend, Objects.requireNonNull(adapter), p);
    }
  }

  private static void loadAdapter(
      Backend backend, AdapterSource adapter, Weights.AdapterPlacement p) {
    Tensor t = p.tensor();
    float[] values = p.up() ? adapter.up(p.module()) : adapter.down(p.module());
    int rows = values.length / t.columns();
    long rowBytes = t.type().rowBytes(t.columns());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment staging = arena.allocate(rowBytes * rows, 64);
      for (int r = 0; r < rows; r++) {
        BlockFormat.encodeRow(
            t.type(), values, r * t.columns(), t.columns(), staging, r * rowBytes);
      }
      backend.writeWeight(t, p.first(), rows, staging);
    }
  }

  private static void loadVector(Backend backend, WeightSource source, Weights.Placement p) {
    try (Arena arena = Arena.ofConfined()) {
      int n = Math.toIntExact(p.spec().columns());
      MemorySegment staging = arena.allocate(4L * n, 64);
      source.read(p.spec(), 0, 1, DType.F32, staging);
      backend.write(p.tensor().columns(p.first(), n), staging);
    }
  }

  private static void loadMatrix(Backend backend, WeightSource source, Weights.Placement p) {
    Tensor t = p.tensor();
    if (generated(backend, source, p)) {
      return;
    }
    long rowBytes = t.type().rowBytes(t.columns());
    int rows = Math.toIntExact(p.spec().rows());
    int chunk = Math.clamp(STAGING_BYTES / rowBytes, 1, rows);
    try (Arena arena = Arena.ofShared()) {
      MemorySegment staging = arena.allocate(rowBytes * chunk, 64);
      for (int first = 0; first < rows; first += chunk) {
        int count = Math.min(chunk, rows - first);
        convert(source, p.spec(), t, first, count, staging);
        backend.writeWeight(t, p.first() + first, count, staging.asSlice(0, rowBytes * count));
      }
    }
  }

  /** Random weights need not cross the bus where the device makes the same bits itself. */
  private static boolean generated(Backend backend, WeightSource source, Weights.Placement p) {
    if (normalizes(source.config(), p.spec())) {
      return false;
    }
    int rows = Math.toIntExact(p.spec().rows());
    return source
        .randomStream(p.spec())
        .map(stream -> backend.generateWeight(p.tensor(), p.first(), rows, stream))
        .orElse(false);
  }

  /** Whether {@link #load} has a matrix made by a generator that only the device has. */
  static boolean isOwn(Backend backend, WeightSource source, Weights.Placement p) {
    return p.spec().role().isMatrix()
        && !normalizes(source.config(), p.spec())
        && source.randomStream(p.spec()).flatMap(backend::ownGenerator).isPresent();
  }

  private static void convert(
      WeightSource source, TensorSpec spec, Tensor t, int first, int count, MemorySegment staging) {
    long rowBytes = t.type().rowBytes(t.columns());
    int perTask = Math.max(1, 65_536 / Math.max(1, t.columns()));
    boolean normalize = normalizes(source.config(), spec);
    IntStream.range(0, Math.ceilDiv(count, perTask))
        .parallel()
        .forEach(
            task -> {
              int from = task * perTask;
              int n = Math.min(perTask, count - from);
              MemorySegment out = staging.asSlice(from * rowBytes, n * rowBytes);
              if (normalize || t.scale() != 1) {
                convertRows(source, spec, t, first + from, n, normalize, out);
              } else {
                source.read(spec, first + from, n, t.type(), out);
              }
            });
  }

  /**
   * Baichuan 2 divides each row of the head by its norm at every step; once, here, is the same
   * (claim I7).
   */
  private static boolean normalizes(ModelConfig c, TensorSpec spec) {
    return c.normalizedHead() && spec.role() == WeightRole.HEAD;
  }

  private static void convertRows(
      WeightSource source,
      TensorSpec spec,
      Tensor t,
      int first,
      int n,
      boolean normalize,
      MemorySegment out) {
    int columns = t.columns();
    float[] values = readFloats(source, spec, first, n);
    for (int r = 0; r < n; r++) {
      if (normalize) {
        normalizeRow(values, r * columns, columns);
      }
      if (t.scale() != 1) {
        for (int i = 0; i < columns; i++) {
          values[r * columns + i] /= t.scale();
        }
      }
      BlockFormat.encodeRow(
          t.type(), values, r * columns, columns, out, r * t.type().rowBytes(columns));
    }
  }

  private static void normalizeRow(float[] values, int at, int columns) {
    double squares = 0;
    for (int i = 0; i < columns; i++) {
      squares += (double) values[at + i] * values[at + i];
    }
    // torch.nn.functional.normalize: the norm is at least 1e-12.
    double inverse = 1 / Math.max(1e-12, Math.sqrt(squares));
    for (int i = 0; i < columns; i++) {
      values[at + i] = (float) (values[at + i] * inverse);
    }
  }

  private static float[] readFloats(WeightSource source, TensorSpec spec, int first, int n) {
    int columns = Math.toIntExact(spec.columns());
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment f32 = arena.allocate(4L * n * columns, 64);
      source.read(spec, first, n, DType.F32, f32);
      return f32.toArray(ValueLayout.JAVA_FLOAT);
    }
  }

  /**
   * The factor that maps a matrix' largest magnitude to e4m3's largest finite value; 1 while only
   * planning.
   */
  static float f8Scale(
      Backend backend, WeightSource source, List<TensorSpec> specs, TensorAllocator allocator) {
    if (allocator instanceof TensorPlan) {
      return 1;
    }
    double largest = specs.stream().mapToDouble(s -> largest(backend, source, s)).max().orElse(0);
    return largest == 0 ? 1 : (float) (largest / F8_MAX);
  }

  private static double largest(Backend backend, WeightSource source, TensorSpec spec) {
    OptionalDouble known = source.largestMagnitude(spec);
    if (known.isPresent()) {
      return known.getAsDouble();
    }
    return source.randomStream(spec).stream()
        .flatMapToDouble(s -> backend.largestGenerated(s, spec.elements()).stream())
        .findFirst()
        .orElseGet(() -> largestRead(source, spec));
  }

  private static double largestRead(WeightSource source, TensorSpec spec) {
    return IntStream.range(0, Math.toIntExact(spec.rows()))
        .parallel()
        .mapToDouble(
            row -> {
              double max = 0;
              for (float v : readFloats(source, spec, row, 1)) {
                max = Math.max(max, Math.abs(v));
              }
              return max;
            })
        .max()
        .orElse(0);
  }
}
