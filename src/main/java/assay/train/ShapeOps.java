package assay.train;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.model.DType;
import assay.tensor.MemoryCategory;
import java.util.Map;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;

/** Matrices without contents: the same step run over these yields its bytes and FLOPs. */
final class ShapeOps implements TrainingOps<ShapeOps.Shape> {
  record Shape(int rows, int columns) {}

  private final ToLongFunction<TrainingShape> scratchBytes;

  ShapeOps(ToLongFunction<TrainingShape> scratchBytes) {
    this.scratchBytes = scratchBytes;
  }

  @Override
  public String description() {
    return "shapes alone";
  }

  @Override
  public boolean supports(MemoryCategory use, DType type) {
    return true;
  }

  @Override
  public void reserve(Map<MemoryCategory, Long> reservedBytes) {}

  @Override
  public Shape allocate(MemoryCategory category, DType type, int rows, int columns) {
    return new Shape(rows, columns);
  }

  @Override
  public Shape rows(Shape x, int first, int count) {
    return new Shape(count, x.columns);
  }

  @Override
  public int rowsOf(Shape x) {
    return x.rows;
  }

  @Override
  public int columnsOf(Shape x) {
    return x.columns;
  }

  @Override
  public long scratchBytes(TrainingShape shape) {
    return scratchBytes.applyAsLong(shape);
  }

  @Override
  public double sum(Shape x) {
    return 0;
  }

  @Override
  public double sumOfSquares(Shape x) {
    return 0;
  }

  @Override
  public void useScratch(TrainingShape shape, Shape scratch) {}

  @Override
  public void write(Shape target, float[] values) {}

  @Override
  public void read(Shape source, float[] values) {}

  @Override
  public void writeIds(Shape target, int[] ids) {}

  @Override
  public void await() {}

  @Override
  public void embed(Shape ids, Shape table, Shape out) {}

  @Override
  public void rmsNorm(Shape x, Shape gain, float eps, Shape out, Shape inverseRms) {}

  @Override
  public void matmul(Shape x, Shape w, Shape out, boolean accumulate) {}

  @Override
  public void rope(Shape x, int headDim, Shape table, boolean inverse) {}

  @Override
  public void attention(
      TrainingShape shape,
      Shape q,
      Shape k,
      Shape v,
      Shape out,
      Shape logSumExp,
      @Nullable Shape probabilities) {}

  @Override
  public void swiGlu(Shape gate, Shape up, Shape out) {}

  @Override
  public void copy(Shape from, Shape to) {}

  @Override
  public void crossEntropy(Shape logits, Shape targets, float scale, Shape losses) {}

  @Override
  public void matmulBackwardInput(Shape dOut, Shape w, Shape dx, boolean accumulate) {}

  @Override
  public void matmulBackwardWeight(Shape dOut, Shape x, Shape dw) {}

  @Override
  public void rmsNormBackward(
      Shape dOut, Shape x, Shape gain, Shape inverseRms, Shape dx, @Nullable Shape dGain) {}

  @Override
  public void scale(Shape x, float factor) {}

  @Override
  public void sgd(
      Sgd settings,
      float gradientScale,
      Shape weight,
      @Nullable Shape master,
      Shape gradient,
      @Nullable Shape velocity) {}

  @Override
  public void attentionBackward(
      TrainingShape shape,
      Shape q,
      Shape k,
      Shape v,
      Shape out,
      Shape logSumExp,
      @Nullable Shape probabilities,
      Shape dOut,
      Shape dq,
      Shape dk,
      Shape dv) {}

  @Override
  public void swiGluBackward(Shape gate, Shape up, Shape dOut, Shape dGate, Shape dUp) {}

  @Override
  public void embedBackward(Shape ids, Shape dOut, Shape dTable) {}

  @Override
  public void zero(Shape x) {}

  @Override
  public void adamW(
      AdamW settings,
      float gradientScale,
      Shape weight,
      @Nullable Shape master,
      Shape gradient,
      Shape momentum,
      Shape variance) {}

  @Override
  public void close() {}
}
