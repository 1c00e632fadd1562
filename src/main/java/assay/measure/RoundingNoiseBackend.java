package assay.measure;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.InputRounding;
import assay.backend.StepState;
import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.NumberFormat;
import assay.model.Precision;
import assay.tensor.Tensor;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * The reference with the rounding errors that another device's arithmetic is entitled to: how far
 * its logits move is how far that device's may (Monte Carlo arithmetic, Parker 1997). A network
 * amplifies errors in its own way, so the tolerance comes from the very model, precision and prompt
 * that are checked, not from a formula over depth.
 *
 * <p>Each result is disturbed by a normal error whose deviation, relative to the row's root mean
 * square, is u = 2⁻²⁴ times
 *
 * <ul>
 *   <li>√(K/2) for a sum of K products: K roundings of partial sums that grow as √k·σ;
 *   <li>4 for element-wise operations: their own rounding and an exponential of a few units in the
 *       last place; with √(K/2) of the sums inside norms and attention.
 * </ul>
 *
 * <p>Activations that enter a product are rounded as {@link Backend#inputRounding} says, and stored
 * in the device's {@link Backend#activationType}. Keys and values are rounded to the cache's type
 * by both, but a value near the middle of two falls to different sides; so many of them (at least
 * {@link #FEWEST_FLIPS}, since rare events must not be missed) are moved to the neighbour.
 */
final class RoundingNoiseBackend extends ForwardingBackend {
  private static final double U = 0x1p-24;
  private static final double ELEMENTWISE = 4;
  private static final double F8_LARGEST = 448;
  private static final int FEWEST_FLIPS = 16;

  /** How much likelier than expected a flip is made, for the count's own spread. */
  private static final int FLIP_MARGIN = 8;

  private final Backend device;
  private final ModelConfig config;
  private final Precision precision;
  private final long kvElements;
  private final SplittableRandom random;

  /**
   * @param reference the judge
   * @param device whose arithmetic is imitated; only asked what it is
   * @param config of the model that is checked
   * @param kvElements elements that the whole check writes to the KV cache
   */
  RoundingNoiseBackend(
      Backend reference,
      Backend device,
      ModelConfig config,
      Precision precision,
      long kvElements,
      long seed) {
    super(reference);
    this.device = device;
    this.config = config;
    this.precision = precision;
    this.kvElements = kvElements;
    this.random = new SplittableRandom(seed);
  }

  @Override
  public DType activationType(Precision p) {
    return device.activationType(p);
  }

  /** Disturbs every row of {@code t} by a normal error of {@code factor}·u of its size. */
  private void disturb(Tensor t, double factor) {
    float[] values = TensorValues.read(inner(), t);
    int width = t.columns();
    for (int r = 0; r < t.rows(); r++) {
      double deviation = factor * U * rootMeanSquare(values, r * width, width);
      for (int i = r * width; i < (r + 1) * width; i++) {
        values[i] = (float) (values[i] + deviation * random.nextGaussian());
      }
    }
    TensorValues.write(inner(), t, values);
  }

  private static double rootMeanSquare(float[] values, int from, int count) {
    double squares = 0;
    for (int i = from; i < from + count; i++) {
      squares += (double) values[i] * values[i];
    }
    return Math.sqrt(squares / count);
  }

  private static double sum(double terms) {
    return Math.sqrt(terms / 2);
  }

  @Override
  public void matmul(Tensor x, Tensor weight, Tensor out, boolean accumulate) {
    InputRounding rounding = device.inputRounding(precision, config, x.rows(), weight);
    if (rounding == InputRounding.NONE) {
      super.matmul(x, weight, out, accumulate);
    } else {
      float[] exact = TensorValues.read(inner(), x);
      TensorValues.write(inner(), x, rounded(rounding, exact, x.columns()));
      super.matmul(x, weight, out, accumulate);
      TensorValues.write(inner(), x, exact);
    }
    disturb(out, sum(weight.columns()));
  }

  private float[] rounded(InputRounding rounding, float[] x, int width) {
    return switch (rounding) {
      case NONE -> x;
      case FP16 -> relative(x, 0x1p-11);
      case BF16 -> relative(x, 0x1p-8);
      // The weights are rounded as well: √2 of one rounding.
      case TF32 -> relative(x, 0x1p-11 * Math.sqrt(2));
      case FP8_ROWS -> f8(x, width);
      case INT8_BLOCKS -> int8(x, width, 32);
      case INT8_ROWS -> int8(x, width, width);
    };
  }

  /** Each element off by up to {@code unit} of itself. */
  private float[] relative(float[] x, double unit) {
    float[] out = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      out[i] = (float) (x[i] * (1 + unit * (2 * random.nextDouble() - 1)));
    }
    return out;
  }

  /** Rounded to steps of largest magnitude / 127 within each {@code block} of a row. */
  private static float[] int8(float[] x, int width, int block) {
    float[] out = new float[x.length];
    for (int row = 0; row < x.length; row += width) {
      for (int from = row; from < row + width; from += block) {
        int to = Math.min(from + block, row + width);
        float largest = 0;
        for (int i = from; i < to; i++) {
          largest = Math.max(largest, Math.abs(x[i]));
        }
        double step = largest / 127.0;
        for (int i = from; i < to; i++) {
          out[i] = step == 0 ? x[i] : (float) (Math.rint(x[i] / step) * step);
        }
      }
    }
    return out;
  }

  /** Rounded to e4m3 times the power of two of each row. */
  private static float[] f8(float[] x, int width) {
    float[] out = new float[x.length];
    for (int row = 0; row < x.length; row += width) {
      float largest = 0;
      for (int i = row; i < row + width; i++) {
        largest = Math.max(largest, Math.abs(x[i]));
      }
      double factor = Math.scalb(1.0, Math.getExponent(largest) - 8);
      factor = Math.max(Float.MIN_NORMAL, largest > F8_LARGEST * factor ? 2 * factor : factor);
      for (int i = row; i < row + width; i++) {
        out[i] =
            (float)
                (NumberFormat.fromF8E4M3(NumberFormat.toF8E4M3((float) (x[i] / factor))) * factor);
      }
    }
    return out;
  }

  @Override
  public void storeKv(
      AttentionSpec spec, Tensor k, Tensor v, StepState state, Tensor kCache, Tensor vCache) {
    double unit =
        switch (kCache.type()) {
          case F16 -> 0x1p-11;
          case BF16 -> 0x1p-8;
          default -> 0;
        };
    if (unit == 0) {
      super.storeKv(spec, k, v, state, kCache, vCache);
      return;
    }
    double crossing = FLIP_MARGIN * U * sum(k.columns()) / unit;
    double probability = Math.min(1, Math.max(crossing, (double) FEWEST_FLIPS / kvElements));
    float[] keys = flip(k, unit, probability);
    float[] values = flip(v, unit, probability);
    super.storeKv(spec, k, v, state, kCache, vCache);
    TensorValues.write(inner(), k, keys);
    TensorValues.write(inner(), v, values);
  }

  /** Moves some elements to the next number of the cache's type; returns what they were. */
  private float[] flip(Tensor t, double unit, double probability) {
    float[] before = TensorValues.read(inner(), t);
    float[] after = before.clone();
    for (int i = 0; i < after.length; i++) {
      if (random.nextDouble() < probability) {
        after[i] = (float) (after[i] * (1 + (random.nextBoolean() ? 2 : -2) * unit));
      }
    }
    TensorValues.write(inner(), t, after);
    return before;
  }

  @Override
  public void norm(
      NormKind kind, Tensor x, Tensor gain, @Nullable Tensor bias, float eps, Tensor out) {
    super.norm(kind, x, gain, bias, eps, out);
    disturb(out, ELEMENTWISE + sum(x.columns()));
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
    add(x, delta);
    norm(kind, x, gain, bias, eps, out);
  }

  @Override
  public void headNorm(Tensor x, Tensor gain, float eps) {
    super.headNorm(x, gain, eps);
    disturb(x, ELEMENTWISE + sum(gain.columns()));
  }

  @Override
  public void bias(Tensor x, Tensor bias) {
    super.bias(x, bias);
    disturb(x, 1);
  }

  @Override
  public void rope(Tensor x, int headDim, Tensor table, StepState state) {
    super.rope(x, headDim, table, state);
    disturb(x, ELEMENTWISE);
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
    super.attention(spec, q, kCache, vCache, state, mask, out);
    // An error of a score, up to u·√(headDim/2) of scores of size 4, is one of its probability.
    disturb(out, ELEMENTWISE * (1 + sum(spec.headDim())) + sum(spec.maxSeqLen()));
  }

  @Override
  public void activation(Activation activation, boolean gated, Tensor x, Tensor out) {
    super.activation(activation, gated, x, out);
    disturb(out, ELEMENTWISE);
  }

  @Override
  public void add(Tensor x, Tensor delta) {
    super.add(x, delta);
    disturb(x, 1);
  }
}
