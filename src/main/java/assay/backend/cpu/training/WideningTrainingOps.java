package assay.backend.cpu.training;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.tensor.HostBuffer;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import assay.tensor.TensorPlan;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Training with operands of other types than fp32 (mixed precision, quantised frozen weights): each
 * operation widens them to fp32 in scratch memory, is done by {@link CpuTrainingOps}, and its
 * results are rounded to their type once. Bytes shrink as the types say; time does not: a CPU's
 * fp32 arithmetic does the work. Where all is fp32 nothing is copied.
 */
public final class WideningTrainingOps implements TrainingOps<Tensor> {
  private record Result(Tensor wide, Tensor target) {}

  private final CpuTrainingOps core;
  private final List<Result> results = new ArrayList<>();
  private @Nullable Tensor copies;
  private long used;

  /** On {@code threads} threads, the caller's included. */
  public WideningTrainingOps(int threads) {
    this.core = new CpuTrainingOps(threads);
  }

  @Override
  public String description() {
    return copies == null
        ? core.description()
        : core.description() + ", other types widened to fp32 for each operation";
  }

  @Override
  public boolean supports(MemoryCategory use, DType type) {
    return switch (type) {
      case F32, F16, BF16 -> true;
      case Q8_0, Q4_0 -> use == MemoryCategory.WEIGHTS;
      default -> false;
    };
  }

  // ---- memory and transfers

  @Override
  public void reserve(Map<MemoryCategory, Long> reservedBytes) {
    core.reserve(reservedBytes);
  }

  /** Bytes of all memory held now. */
  public long liveBytes() {
    return core.liveBytes();
  }

  @Override
  public Tensor allocate(MemoryCategory category, DType type, int rows, int columns) {
    return core.allocate(category, type, rows, columns);
  }

  @Override
  public Tensor rows(Tensor x, int first, int count) {
    return core.rows(x, first, count);
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
    return TensorPlan.padded(core.scratchBytes(shape)) + copyBytes(shape);
  }

  /** Copies of one operation's operands, each on its own cache lines. */
  private static long copyBytes(TrainingShape shape) {
    long most = 10; // operands of the backward pass of attention
    return shape.widened() == 0 ? 0 : 4 * shape.widened() + most * TensorPlan.padded(1);
  }

  @Override
  public void useScratch(TrainingShape shape, Tensor scratch) {
    scratch.require("scratch", DType.U8, 1, Math.toIntExact(scratchBytes(shape)));
    int own = Math.toIntExact(core.scratchBytes(shape));
    core.useScratch(
        shape, Tensor.rowMajor(scratch.buffer(), scratch.offsetBytes(), DType.U8, 1, own));
    long first = scratch.offsetBytes() + TensorPlan.padded(own);
    int bytes = Math.toIntExact(copyBytes(shape));
    copies = bytes == 0 ? null : Tensor.rowMajor(scratch.buffer(), first, DType.U8, 1, bytes);
  }

  @Override
  public void write(Tensor target, float[] values) {
    if (target.type() == DType.F32) {
      core.write(target, values);
      return;
    }
    requireElements(target, values.length);
    MemorySegment memory = HostBuffer.of(target);
    for (int r = 0; r < target.rows(); r++) {
      int columns = target.columns();
      BlockFormat.encodeRow(target.type(), values, r * columns, columns, memory, rowAt(target, r));
    }
  }

  @Override
  public void read(Tensor source, float[] values) {
    if (source.type() == DType.F32) {
      core.read(source, values);
      return;
    }
    requireElements(source, values.length);
    MemorySegment memory = HostBuffer.of(source);
    for (int r = 0; r < source.rows(); r++) {
      int columns = source.columns();
      BlockFormat.decodeRow(source.type(), memory, rowAt(source, r), columns, values, r * columns);
    }
  }

  private static void requireElements(Tensor t, int length) {
    if ((long) t.rows() * t.columns() != length) {
      throw new IllegalArgumentException(length + " values for " + t);
    }
  }

  private static long rowAt(Tensor t, int r) {
    return t.offsetBytes() + r * t.rowStrideBytes();
  }

  @Override
  public void writeIds(Tensor target, int[] ids) {
    core.writeIds(target, ids);
  }

  @Override
  public void await() {
    core.await();
  }

  // ---- copies in fp32

  private static boolean isWide(Tensor t) {
    return t.type() == DType.F32 || t.type() == DType.I32;
  }

  private Tensor place(Tensor like) {
    Tensor all = copies;
    if (all == null) {
      throw new IllegalStateException("no memory was handed over for an fp32 copy of " + like);
    }
    Tensor t =
        Tensor.rowMajor(
            all.buffer(), all.offsetBytes() + used, DType.F32, like.rows(), like.columns());
    used += TensorPlan.padded(t.bytes());
    if (used > all.bytes()) {
      throw new IllegalStateException("%d bytes of copies in %s".formatted(used, all));
    }
    return t;
  }

  /** An operand that is read. */
  private Tensor in(Tensor x) {
    if (isWide(x)) {
      return x;
    }
    Tensor wide = place(x);
    MemorySegment from = HostBuffer.of(x);
    MemorySegment to = HostBuffer.of(wide);
    core.forRows(
        x.rows(),
        x.columns(),
        r -> {
          float[] row = new float[x.columns()];
          BlockFormat.decodeRow(x.type(), from, rowAt(x, r), x.columns(), row, 0);
          BlockFormat.encodeRow(DType.F32, row, 0, x.columns(), to, rowAt(wide, r));
        });
    return wide;
  }

  /** An operand that is written without being read. */
  private Tensor out(Tensor x) {
    if (isWide(x)) {
      return x;
    }
    Tensor wide = place(x);
    results.add(new Result(wide, x));
    return wide;
  }

  /** An operand that is read and written. */
  private Tensor both(Tensor x) {
    if (isWide(x)) {
      return x;
    }
    Tensor wide = in(x);
    results.add(new Result(wide, x));
    return wide;
  }

  /** Rounds the results to their types and gives the copies back. */
  private void done() {
    for (Result result : results) {
      round(result.wide, result.target);
    }
    results.clear();
    used = 0;
  }

  private void round(Tensor wide, Tensor target) {
    MemorySegment from = HostBuffer.of(wide);
    MemorySegment to = HostBuffer.of(target);
    core.forRows(
        target.rows(),
        target.columns(),
        r -> {
          float[] row = new float[target.columns()];
          BlockFormat.decodeRow(DType.F32, from, rowAt(wide, r), target.columns(), row, 0);
          BlockFormat.encodeRow(target.type(), row, 0, target.columns(), to, rowAt(target, r));
        });
  }

  // ---- forward

  @Override
  public void embed(Tensor ids, Tensor table, Tensor out) {
    if (isWide(table)) {
      core.embed(ids, table, out(out));
    } else {
      // Not the whole table is widened: only the rows that are looked up.
      Tensor wide = out(out);
      MemorySegment from = HostBuffer.of(table);
      float[] row = new float[table.columns()];
      for (int r = 0; r < ids.rows(); r++) {
        int id = CpuTrainingOps.checkedId(ids, r, table.rows());
        BlockFormat.decodeRow(table.type(), from, rowAt(table, id), table.columns(), row, 0);
        BlockFormat.encodeRow(
            DType.F32, row, 0, table.columns(), HostBuffer.of(wide), rowAt(wide, r));
      }
    }
    done();
  }

  @Override
  public void rmsNorm(Tensor x, Tensor gain, float eps, Tensor out, Tensor inverseRms) {
    core.rmsNorm(in(x), in(gain), eps, out(out), inverseRms);
    done();
  }

  @Override
  public void matmul(Tensor x, Tensor w, Tensor out, boolean accumulate) {
    core.matmul(in(x), in(w), accumulate ? both(out) : out(out), accumulate);
    done();
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, boolean inverse) {
    core.rope(both(x), headDim, table, inverse);
    done();
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
    Tensor p = probabilities == null ? null : out(probabilities);
    core.attention(shape, in(q), in(k), in(v), out(out), logSumExp, p);
    done();
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor out) {
    core.swiGlu(in(gate), in(up), out(out));
    done();
  }

  @Override
  public void copy(Tensor from, Tensor to) {
    core.copy(in(from), out(to));
    done();
  }

  @Override
  public void scale(Tensor x, float factor) {
    core.scale(both(x), factor);
    done();
  }

  // ---- loss

  @Override
  public void crossEntropy(Tensor logits, Tensor targets, float scale, Tensor losses) {
    core.crossEntropy(both(logits), targets, scale, losses);
    done();
  }

  @Override
  public double sum(Tensor x) {
    double sum = core.sum(in(x));
    done();
    return sum;
  }

  // ---- backward

  @Override
  public void matmulBackwardInput(Tensor dOut, Tensor w, Tensor dx, boolean accumulate) {
    core.matmulBackwardInput(in(dOut), in(w), accumulate ? both(dx) : out(dx), accumulate);
    done();
  }

  @Override
  public void matmulBackwardWeight(Tensor dOut, Tensor x, Tensor dw) {
    core.matmulBackwardWeight(in(dOut), in(x), both(dw));
    done();
  }

  @Override
  public void rmsNormBackward(
      Tensor dOut, Tensor x, Tensor gain, Tensor inverseRms, Tensor dx, @Nullable Tensor dGain) {
    Tensor toGain = dGain == null ? null : both(dGain);
    core.rmsNormBackward(in(dOut), in(x), in(gain), inverseRms, both(dx), toGain);
    done();
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
    core.attentionBackward(
        shape,
        in(q),
        in(k),
        in(v),
        in(out),
        logSumExp,
        probabilities == null ? null : in(probabilities),
        in(dOut),
        out(dq),
        out(dk),
        out(dv));
    done();
  }

  @Override
  public void swiGluBackward(Tensor gate, Tensor up, Tensor dOut, Tensor dGate, Tensor dUp) {
    core.swiGluBackward(in(gate), in(up), in(dOut), out(dGate), out(dUp));
    done();
  }

  @Override
  public void embedBackward(Tensor ids, Tensor dOut, Tensor dTable) {
    core.embedBackward(ids, in(dOut), both(dTable));
    done();
  }

  // ---- update

  @Override
  public void zero(Tensor x) {
    if (isWide(x)) {
      core.zero(x);
    } else {
      HostBuffer.of(x).asSlice(x.offsetBytes(), x.bytes()).fill((byte) 0);
    }
  }

  @Override
  public double sumOfSquares(Tensor x) {
    double sum = core.sumOfSquares(in(x));
    done();
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
    Tensor updated = master == null ? both(weight) : master;
    core.adamW(settings, gradientScale, updated, null, in(gradient), momentum, variance);
    done();
    if (master != null) {
      round(master, weight);
    }
  }

  @Override
  public void sgd(
      Sgd settings,
      float gradientScale,
      Tensor weight,
      @Nullable Tensor master,
      Tensor gradient,
      @Nullable Tensor velocity) {
    Tensor updated = master == null ? both(weight) : master;
    core.sgd(settings, gradientScale, updated, null, in(gradient), velocity);
    done();
    if (master != null) {
      round(master, weight);
    }
  }

  @Override
  public void close() {
    copies = null;
    core.close();
  }
}
