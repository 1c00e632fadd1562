package assay.backend.cpu.training;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.backend.cpu.Workers;
import assay.backend.cpu.training.Gemm.Matrix;
import assay.model.DType;
import assay.model.UserError;
import assay.tensor.HostArena;
import assay.tensor.HostBuffer;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The training step in fp32 on the CPU: products by {@link Gemm}, everything else row by row with
 * the Vector API. Every operation is complete when its method returns.
 */
public final class CpuTrainingOps implements TrainingOps<Tensor> {
  /** Elements that a thread takes at once in row-wise operations. */
  private static final int ELEMENTS_PER_CHUNK = 32_768;

  private final Workers workers;
  private final AtomicLong liveBytes = new AtomicLong();
  private final Map<MemoryCategory, HostArena> arenas = new EnumMap<>(MemoryCategory.class);
  private long scratch;
  private long scratchPerWorker;

  /** On {@code threads} threads, the caller's included. */
  public CpuTrainingOps(int threads) {
    this.workers = new Workers(threads);
  }

  @Override
  public String description() {
    return "CPU, fp32, Java Vector API of %d bits, %d thread%s"
        .formatted(Floats.S.vectorBitSize(), workers.count(), workers.count() == 1 ? "" : "s");
  }

  @Override
  public boolean supports(MemoryCategory use, DType type) {
    return type == DType.F32;
  }

  // ---- memory and transfers

  @Override
  public void reserve(Map<MemoryCategory, Long> reservedBytes) {
    if (!arenas.isEmpty()) {
      throw new IllegalStateException("memory is reserved already");
    }
    reservedBytes.forEach((c, bytes) -> arenas.put(c, new HostArena(c, bytes, liveBytes)));
  }

  /** Bytes of all memory held now. */
  public long liveBytes() {
    return liveBytes.get();
  }

  @Override
  public Tensor allocate(MemoryCategory category, DType type, int rows, int columns) {
    HostArena arena = arenas.get(category);
    if (arena == null) {
      throw new IllegalStateException("nothing was reserved for " + category);
    }
    return arena.allocate(type, rows, columns);
  }

  @Override
  public Tensor rows(Tensor x, int first, int count) {
    return x.rows(first, count);
  }

  @Override
  public int rowsOf(Tensor x) {
    return x.rows();
  }

  @Override
  public int columnsOf(Tensor x) {
    return x.columns();
  }

  @Override
  public long scratchBytes(TrainingShape shape) {
    return workers.count() * perWorker(shape);
  }

  private static long perWorker(TrainingShape shape) {
    return Attention.scratchBytes(shape);
  }

  @Override
  public void useScratch(TrainingShape shape, Tensor scratch) {
    scratch.require("scratch", DType.U8, 1, Math.toIntExact(scratchBytes(shape)));
    this.scratch = HostBuffer.of(scratch).address() + scratch.offsetBytes();
    this.scratchPerWorker = perWorker(shape);
  }

  private long scratchOf(int worker) {
    if (scratch == 0) {
      throw new IllegalStateException("no scratch memory was handed over");
    }
    return scratch + worker * scratchPerWorker;
  }

  @Override
  public void write(Tensor target, float[] values) {
    requireElements(target, values.length);
    MemorySegment.copy(
        values, 0, segment(target), ValueLayout.JAVA_FLOAT, target.offsetBytes(), values.length);
  }

  @Override
  public void read(Tensor source, float[] values) {
    requireElements(source, values.length);
    MemorySegment.copy(
        segment(source), ValueLayout.JAVA_FLOAT, source.offsetBytes(), values, 0, values.length);
  }

  private static void requireElements(Tensor t, int length) {
    address(t);
    if ((long) t.rows() * t.columns() != length || !t.isDense()) {
      throw new IllegalArgumentException(length + " values for " + t);
    }
  }

  @Override
  public void writeIds(Tensor target, int[] ids) {
    target.require("ids", DType.I32, ids.length, 1);
    MemorySegment.copy(
        ids, 0, segment(target), ValueLayout.JAVA_INT, target.offsetBytes(), ids.length);
  }

  @Override
  public void await() {}

  private static MemorySegment segment(Tensor t) {
    return HostBuffer.of(t);
  }

  /** Of the first element of a dense fp32 matrix. */
  private static long address(Tensor t) {
    if (t.type() != DType.F32 || !t.isDense()) {
      throw new IllegalArgumentException(t + ": expected dense F32");
    }
    return segment(t).address() + t.offsetBytes();
  }

  private static long address(Tensor t, String what, int rows, int columns) {
    t.require(what, DType.F32, rows, columns);
    return address(t);
  }

  private static int id(Tensor ids, int i) {
    return segment(ids).get(ValueLayout.JAVA_INT, ids.offsetBytes() + 4L * i);
  }

  /** Runs {@code body} for every row, several at a time. */
  void forRows(int rows, int columns, RowBody body) {
    int perChunk = Math.max(1, ELEMENTS_PER_CHUNK / Math.max(1, columns));
    workers.run(
        (chunk, worker) -> {
          int end = Math.min(rows, (chunk + 1) * perChunk);
          for (int r = chunk * perChunk; r < end; r++) {
            body.row(r);
          }
        },
        Math.ceilDiv(rows, perChunk));
  }

  interface RowBody {
    void row(int r);
  }

  /** Runs {@code body} over all elements of a dense matrix, in pieces. */
  private void forElements(Tensor x, PieceBody body) {
    long elements = (long) x.rows() * x.columns();
    int chunks = Math.toIntExact(Math.ceilDiv(elements, (long) ELEMENTS_PER_CHUNK));
    workers.run(
        (chunk, worker) -> {
          long first = (long) chunk * ELEMENTS_PER_CHUNK;
          body.piece(4 * first, (int) Math.min(ELEMENTS_PER_CHUNK, elements - first));
        },
        chunks);
  }

  private interface PieceBody {
    void piece(long offsetBytes, int elements);
  }

  // ---- forward

  @Override
  public void embed(Tensor ids, Tensor table, Tensor out) {
    int width = table.columns();
    long from = address(table);
    long to = address(out, "out", ids.rows(), width);
    for (int r = 0; r < ids.rows(); r++) {
      int id = checkedId(ids, r, table.rows());
      MemorySegment.copy(
          Floats.ALL, from + 4L * id * width, Floats.ALL, to + 4L * r * width, 4L * width);
    }
  }

  static int checkedId(Tensor ids, int r, int vocabulary) {
    int id = id(ids, r);
    if (id < 0 || id >= vocabulary) {
      throw new UserError("token id %d: expected 0 to %d".formatted(id, vocabulary - 1));
    }
    return id;
  }

  @Override
  public void rmsNorm(Tensor x, Tensor gain, float eps, Tensor out, Tensor inverseRms) {
    int width = x.columns();
    long in = address(x);
    long g = address(gain, "gain", 1, width);
    long to = address(out, "out", x.rows(), width);
    long inverse = address(inverseRms, "inverseRms", x.rows(), 1);
    forRows(
        x.rows(),
        width,
        r -> {
          long row = in + 4L * r * width;
          float s = (float) (1 / Math.sqrt(Rows.dot(row, row, width) / width + eps));
          Rows.set(inverse + 4L * r, s);
          Rows.scaledProduct(row, g, s, to + 4L * r * width, width);
        });
  }

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out, boolean accumulate) {
    int n = x.rows();
    Matrix a = dense(x);
    Matrix b = dense(w).transposed();
    address(out, "out", n, w.rows());
    require(x.columns() == w.columns(), x, w);
    multiply(n, w.rows(), x.columns(), a, b, dense(out), accumulate);
  }

  private static Matrix dense(Tensor t) {
    return Matrix.dense(address(t), t.columns());
  }

  private static void require(boolean fits, Tensor a, Tensor b) {
    if (!fits) {
      throw new IllegalArgumentException(a + " does not fit " + b);
    }
  }

  /** c (+)= a·b, the longer side of c cut into one strip for each thread. */
  private void multiply(int m, int n, int k, Matrix a, Matrix b, Matrix c, boolean accumulate) {
    boolean byRows = m >= n;
    int size = byRows ? m : n;
    // Whole registers of the kernel in every strip but the last.
    int unit = byRows ? 6 : 2 * Floats.S.length();
    int strip = Math.ceilDiv(Math.ceilDiv(size, unit), workers.count()) * unit;
    workers.run(
        (chunk, worker) -> {
          int first = chunk * strip;
          int count = Math.min(strip, size - first);
          if (byRows) {
            Gemm.multiply(
                count, n, k, a.from(first), b, c.from(first), accumulate, scratchOf(worker));
          } else {
            Matrix bStrip = b.transposed().from(first).transposed();
            Matrix cStrip = c.transposed().from(first).transposed();
            Gemm.multiply(m, count, k, a, bStrip, cStrip, accumulate, scratchOf(worker));
          }
        },
        Math.ceilDiv(size, strip));
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, boolean inverse) {
    int half = headDim / 2;
    int heads = x.columns() / headDim;
    long base = address(x);
    long angles = address(table);
    int tokens = table.rows();
    require(table.columns() == headDim && x.columns() % headDim == 0, x, table);
    require(x.rows() % tokens == 0, x, table);
    float direction = inverse ? -1 : 1;
    forRows(
        x.rows(),
        x.columns(),
        r -> {
          long cosines = angles + 4L * (r % tokens) * headDim;
          for (int h = 0; h < heads; h++) {
            long at = base + 4L * ((long) r * x.columns() + (long) h * headDim);
            Rows.rotate(at, cosines, cosines + 4L * half, direction, half);
          }
        });
  }

  @Override
  public void attention(
      TrainingShape shape,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor out,
      Tensor logSumExp,
      @Nullable Tensor probabilities) {
    Attention.Operands o = operands(shape, q, k, v, out, logSumExp, probabilities);
    workers.run(
        (unit, worker) -> new Attention(shape, scratchOf(worker)).forward(unit, o),
        shape.batch() * shape.nKvHeads());
  }

  private static Attention.Operands operands(
      TrainingShape s,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor out,
      Tensor logSumExp,
      @Nullable Tensor probabilities) {
    int n = s.rows();
    return new Attention.Operands(
        address(q, "q", n, s.nHeads() * s.headDim()),
        address(k, "k", n, s.nKvHeads() * s.headDim()),
        address(v, "v", n, s.nKvHeads() * s.headDim()),
        address(out, "out", n, s.nHeads() * s.headDim()),
        address(logSumExp, "logSumExp", n, s.nHeads()),
        probabilities == null
            ? 0
            : address(probabilities, "probabilities", n * s.nHeads(), s.tokens()));
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    long g = address(gate);
    long u = address(up, "up", gate.rows(), gate.columns());
    long to = address(out, "out", gate.rows(), gate.columns());
    forElements(gate, (at, n) -> Rows.swiGlu(g + at, u + at, to + at, n));
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    long source = address(from);
    long target = address(to, "to", from.rows(), from.columns());
    forElements(
        from,
        (at, n) -> MemorySegment.copy(Floats.ALL, source + at, Floats.ALL, target + at, 4L * n));
  }

  @Override
  public void scale(Tensor x, float factor) {
    long base = address(x);
    forElements(x, (at, n) -> Rows.scale(base + at, factor, n));
  }

  // ---- loss

  @Override
  public void crossEntropy(Tensor logits, Tensor targets, float scale, Tensor losses) {
    int width = logits.columns();
    long base = address(logits);
    long out = address(losses, "losses", logits.rows(), 1);
    targets.require("targets", DType.I32, logits.rows(), 1);
    forRows(
        logits.rows(),
        width,
        r -> {
          long row = base + 4L * r * width;
          int target = id(targets, r);
          if (target < 0) {
            Rows.set(out + 4L * r, 0);
            Rows.clear(row, width);
            return;
          }
          checkedId(targets, r, width);
          float logit = Rows.get(row + 4L * target);
          float most = Rows.max(row, width);
          float sum = Rows.exp(row, 1, most, width);
          Rows.set(out + 4L * r, (float) (Math.log(sum) + most - logit));
          Rows.scale(row, scale / sum, width);
          Rows.set(row + 4L * target, Rows.get(row + 4L * target) - scale);
        });
  }

  @Override
  public double sum(Tensor x) {
    long base = address(x);
    long n = (long) x.rows() * x.columns();
    double sum = 0;
    for (long i = 0; i < n; i++) {
      sum += Rows.get(base + 4 * i);
    }
    return sum;
  }

  // ---- backward

  @Override
  public void matmulBackwardInput(Tensor dOut, Tensor w, Tensor dx, boolean accumulate) {
    address(dx, "dx", dOut.rows(), w.columns());
    require(dOut.columns() == w.rows(), dOut, w);
    multiply(dOut.rows(), w.columns(), w.rows(), dense(dOut), dense(w), dense(dx), accumulate);
  }

  @Override
  public void matmulBackwardWeight(Tensor dOut, Tensor x, Tensor dw) {
    address(dw, "dw", dOut.columns(), x.columns());
    require(dOut.rows() == x.rows(), dOut, x);
    multiply(
        dOut.columns(), x.columns(), x.rows(), dense(dOut).transposed(), dense(x), dense(dw), true);
  }

  @Override
  public void rmsNormBackward(
      Tensor dOut, Tensor x, Tensor gain, Tensor inverseRms, Tensor dx, @Nullable Tensor dGain) {
    int width = x.columns();
    long d = address(dOut, "dOut", x.rows(), width);
    long in = address(x);
    long g = address(gain, "gain", 1, width);
    long inverse = address(inverseRms, "inverseRms", x.rows(), 1);
    long to = address(dx, "dx", x.rows(), width);
    forRows(
        x.rows(),
        width,
        r -> {
          long at = 4L * r * width;
          float s = Rows.get(inverse + 4L * r);
          float projection = Rows.dot(d + at, g, in + at, width) * s * s / width;
          Rows.normBackward(d + at, in + at, g, s, projection, to + at, width);
        });
    if (dGain == null) {
      return;
    }
    long toGain = address(dGain, "dGain", 1, width);
    // The gain's gradient is a sum over rows: one thread for each strip of columns.
    int strip = Math.ceilDiv(width, workers.count());
    workers.run(
        (chunk, worker) -> {
          long first = 4L * chunk * strip;
          int count = Math.min(strip, width - chunk * strip);
          for (int r = 0; r < x.rows(); r++) {
            long at = 4L * r * width + first;
            Rows.addProduct(d + at, in + at, Rows.get(inverse + 4L * r), toGain + first, count);
          }
        },
        Math.ceilDiv(width, strip));
  }

  @Override
  public void attentionBackward(
      TrainingShape shape,
      Tensor q,
      Tensor k,
      Tensor v,
      Tensor out,
      Tensor logSumExp,
      @Nullable Tensor probabilities,
      Tensor dOut,
      Tensor dq,
      Tensor dk,
      Tensor dv) {
    Attention.Operands o = operands(shape, q, k, v, out, logSumExp, probabilities);
    Attention.Gradients d =
        new Attention.Gradients(
            address(dOut, "dOut", q.rows(), q.columns()),
            address(dq, "dq", q.rows(), q.columns()),
            address(dk, "dk", k.rows(), k.columns()),
            address(dv, "dv", v.rows(), v.columns()));
    workers.run(
        (unit, worker) -> new Attention(shape, scratchOf(worker)).backward(unit, o, d),
        shape.batch() * shape.nKvHeads());
  }

  @Override
  public void swiGluBackward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    int rows = gate.rows();
    int width = gate.columns();
    long g = address(gate);
    long u = address(up, "up", rows, width);
    long d = address(dOut, "dOut", rows, width);
    long toGate = address(dGate, "dGate", rows, width);
    long toUp = address(dUp, "dUp", rows, width);
    forElements(
        gate, (at, n) -> Rows.swiGluBackward(g + at, u + at, d + at, toGate + at, toUp + at, n));
  }

  @Override
  public void embedBackward(Tensor ids, Tensor dOut, Tensor dTable) {
    int width = dTable.columns();
    long d = address(dOut, "dOut", ids.rows(), width);
    long table = address(dTable);
    // In order of the rows, on one thread: several rows may have the same id.
    for (int r = 0; r < ids.rows(); r++) {
      int id = checkedId(ids, r, dTable.rows());
      Rows.add(d + 4L * r * width, table + 4L * id * width, width);
    }
  }

  // ---- update

  @Override
  public void zero(Tensor x) {
    long base = address(x);
    forElements(x, (at, n) -> Rows.clear(base + at, n));
  }

  @Override
  public double sumOfSquares(Tensor x) {
    long base = address(x);
    long n = (long) x.rows() * x.columns();
    double sum = 0;
    for (long i = 0; i < n; i++) {
      double v = Rows.get(base + 4 * i);
      sum += v * v;
    }
    return sum;
  }

  @Override
  public void adamW(
      AdamW settings,
      float gradientScale,
      Tensor weight,
      @Nullable Tensor master,
      Tensor gradient,
      Tensor momentum,
      Tensor variance) {
    if (master != null) {
      throw new IllegalArgumentException("fp32 weights are their own master copy");
    }
    long w = address(weight);
    long g = address(gradient, "gradient", weight.rows(), weight.columns());
    long m = address(momentum, "momentum", weight.rows(), weight.columns());
    long v = address(variance, "variance", weight.rows(), weight.columns());
    AdamWLoop loop = new AdamWLoop(settings, gradientScale);
    forElements(weight, (at, n) -> loop.update(w + at, g + at, m + at, v + at, n));
  }

  @Override
  public void sgd(
      Sgd s,
      float gradientScale,
      Tensor weight,
      @Nullable Tensor master,
      Tensor gradient,
      @Nullable Tensor velocity) {
    if (master != null || (velocity == null) != (s.momentum() == 0)) {
      throw new IllegalArgumentException(
          "fp32 weights are their own master copy; a velocity stands for momentum");
    }
    long w = address(weight);
    long g = address(gradient, "gradient", weight.rows(), weight.columns());
    long v = velocity == null ? 0 : address(velocity, "velocity", weight.rows(), weight.columns());
    SgdLoop loop = new SgdLoop(s, gradientScale);
    forElements(weight, (at, n) -> loop.update(w + at, g + at, v == 0 ? 0 : v + at, n));
  }

  @Override
  public void close() {
    workers.close();
    arenas.values().forEach(HostArena::close);
    arenas.clear();
    scratch = 0;
  }
}
