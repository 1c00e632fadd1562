package assay.backend.reference;

import assay.backend.AdamW;
import assay.backend.Sgd;
import assay.backend.TrainingOps;
import assay.backend.TrainingShape;
import assay.model.DType;
import assay.tensor.MemoryCategory;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The training step's operations in fp64, as the formulas say: the judge of the fast ones, and what
 * finite differences are taken of.
 */
public final class ReferenceTrainingOps implements TrainingOps<DoubleMatrix> {
  @Override
  public String description() {
    return "reference, fp64, plain loops";
  }

  @Override
  public boolean supports(MemoryCategory use, DType type) {
    return true;
  }

  @Override
  public void reserve(Map<MemoryCategory, Long> reservedBytes) {}

  @Override
  public DoubleMatrix allocate(MemoryCategory category, DType type, int rows, int columns) {
    return new DoubleMatrix(type, rows, columns);
  }

  @Override
  public DoubleMatrix rows(DoubleMatrix x, int first, int count) {
    return x.view(first, count);
  }

  @Override
  public int rowsOf(DoubleMatrix x) {
    return x.rows();
  }

  @Override
  public int columnsOf(DoubleMatrix x) {
    return x.columns();
  }

  @Override
  public long scratchBytes(TrainingShape shape) {
    return 0;
  }

  @Override
  public void useScratch(TrainingShape shape, DoubleMatrix scratch) {}

  @Override
  public void write(DoubleMatrix target, float[] values) {
    for (int i = 0; i < values.length; i++) {
      target.values()[target.first() + i] = values[i];
    }
    target.round();
  }

  @Override
  public void read(DoubleMatrix source, float[] values) {
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) source.values()[source.first() + i];
    }
  }

  @Override
  public void writeIds(DoubleMatrix target, int[] ids) {
    for (int i = 0; i < ids.length; i++) {
      target.set(i, 0, ids[i]);
    }
  }

  @Override
  public void await() {}

  // ---- forward

  @Override
  public void embed(DoubleMatrix ids, DoubleMatrix table, DoubleMatrix out) {
    for (int r = 0; r < out.rows(); r++) {
      for (int j = 0; j < out.columns(); j++) {
        out.set(r, j, table.at(ids.id(r), j));
      }
    }
    out.round();
  }

  @Override
  public void rmsNorm(
      DoubleMatrix x, DoubleMatrix gain, float eps, DoubleMatrix out, DoubleMatrix inverseRms) {
    for (int r = 0; r < x.rows(); r++) {
      double squares = 0;
      for (int j = 0; j < x.columns(); j++) {
        squares += x.at(r, j) * x.at(r, j);
      }
      double inverse = 1 / Math.sqrt(squares / x.columns() + eps);
      inverseRms.set(r, 0, inverse);
      for (int j = 0; j < x.columns(); j++) {
        out.set(r, j, x.at(r, j) * inverse * gain.at(0, j));
      }
    }
    out.round();
  }

  @Override
  public void matmul(DoubleMatrix x, DoubleMatrix w, DoubleMatrix out, boolean accumulate) {
    for (int r = 0; r < x.rows(); r++) {
      for (int o = 0; o < w.rows(); o++) {
        double sum = accumulate ? out.at(r, o) : 0;
        for (int i = 0; i < w.columns(); i++) {
          sum += x.at(r, i) * w.at(o, i);
        }
        out.set(r, o, sum);
      }
    }
    out.round();
  }

  @Override
  public void rope(DoubleMatrix x, int headDim, DoubleMatrix table, boolean inverse) {
    int half = headDim / 2;
    for (int r = 0; r < x.rows(); r++) {
      int position = r % table.rows();
      for (int h = 0; h < x.columns(); h += headDim) {
        for (int i = 0; i < half; i++) {
          double c = table.at(position, i);
          double s = table.at(position, half + i) * (inverse ? -1 : 1);
          double a = x.at(r, h + i);
          double b = x.at(r, h + half + i);
          x.set(r, h + i, a * c - b * s);
          x.set(r, h + half + i, b * c + a * s);
        }
      }
    }
    x.round();
  }

  @Override
  public void attention(
      TrainingShape shape,
      DoubleMatrix q,
      DoubleMatrix k,
      DoubleMatrix v,
      DoubleMatrix out,
      DoubleMatrix logSumExp,
      @Nullable DoubleMatrix probabilities) {
    for (int r = 0; r < q.rows(); r++) {
      int start = r - r % shape.tokens();
      for (int h = 0; h < shape.nHeads(); h++) {
        int kv = h / shape.groupSize() * shape.headDim();
        double[] p = scores(shape, q, k, r, h);
        double most = Double.NEGATIVE_INFINITY;
        for (double s : p) {
          most = Math.max(most, s);
        }
        double sum = 0;
        for (double s : p) {
          sum += Math.exp(s - most);
        }
        double log = most + Math.log(sum);
        logSumExp.set(r, h, log);
        for (int j = 0; j < p.length; j++) {
          p[j] = Math.exp(p[j] - log);
        }
        if (probabilities != null) {
          for (int j = 0; j < shape.tokens(); j++) {
            probabilities.set(r * shape.nHeads() + h, j, j < p.length ? p[j] : 0);
          }
        }
        for (int d = 0; d < shape.headDim(); d++) {
          double value = 0;
          for (int j = 0; j < p.length; j++) {
            value += p[j] * v.at(start + j, kv + d);
          }
          out.set(r, h * shape.headDim() + d, value);
        }
      }
    }
    out.round();
    if (probabilities != null) {
      probabilities.round();
    }
  }

  /** q·k/√d of one query with every key that it sees. */
  private static double[] scores(
      TrainingShape shape, DoubleMatrix q, DoubleMatrix k, int r, int h) {
    int kv = h / shape.groupSize() * shape.headDim();
    int start = r - r % shape.tokens();
    double[] out = new double[r - start + 1];
    for (int j = 0; j < out.length; j++) {
      for (int d = 0; d < shape.headDim(); d++) {
        out[j] += q.at(r, h * shape.headDim() + d) * k.at(start + j, kv + d);
      }
      out[j] /= Math.sqrt(shape.headDim());
    }
    return out;
  }

  @Override
  public void swiGlu(DoubleMatrix gate, DoubleMatrix up, DoubleMatrix out) {
    for (int r = 0; r < gate.rows(); r++) {
      for (int j = 0; j < gate.columns(); j++) {
        out.set(r, j, gate.at(r, j) * sigmoid(gate.at(r, j)) * up.at(r, j));
      }
    }
    out.round();
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  @Override
  public void copy(DoubleMatrix from, DoubleMatrix to) {
    System.arraycopy(
        from.values(), from.first(), to.values(), to.first(), from.rows() * from.columns());
    to.round();
  }

  @Override
  public void scale(DoubleMatrix x, float factor) {
    for (int i = 0; i < x.rows() * x.columns(); i++) {
      x.values()[x.first() + i] *= factor;
    }
    x.round();
  }

  // ---- loss

  @Override
  public void crossEntropy(
      DoubleMatrix logits, DoubleMatrix targets, float scale, DoubleMatrix losses) {
    for (int r = 0; r < logits.rows(); r++) {
      int target = targets.id(r);
      double most = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < logits.columns(); j++) {
        most = Math.max(most, logits.at(r, j));
      }
      double sum = 0;
      for (int j = 0; j < logits.columns(); j++) {
        sum += Math.exp(logits.at(r, j) - most);
      }
      double log = most + Math.log(sum);
      losses.set(r, 0, target < 0 ? 0 : log - logits.at(r, target));
      for (int j = 0; j < logits.columns(); j++) {
        double p = Math.exp(logits.at(r, j) - log);
        logits.set(r, j, target < 0 ? 0 : (p - (j == target ? 1 : 0)) * scale);
      }
    }
  }

  @Override
  public double sum(DoubleMatrix x) {
    double sum = 0;
    for (int i = 0; i < x.rows() * x.columns(); i++) {
      sum += x.values()[x.first() + i];
    }
    return sum;
  }

  // ---- backward

  @Override
  public void matmulBackwardInput(
      DoubleMatrix dOut, DoubleMatrix w, DoubleMatrix dx, boolean accumulate) {
    for (int r = 0; r < dx.rows(); r++) {
      for (int i = 0; i < w.columns(); i++) {
        double sum = accumulate ? dx.at(r, i) : 0;
        for (int o = 0; o < w.rows(); o++) {
          sum += dOut.at(r, o) * w.at(o, i);
        }
        dx.set(r, i, sum);
      }
    }
    dx.round();
  }

  @Override
  public void matmulBackwardWeight(DoubleMatrix dOut, DoubleMatrix x, DoubleMatrix dw) {
    for (int r = 0; r < x.rows(); r++) {
      for (int o = 0; o < dw.rows(); o++) {
        for (int i = 0; i < dw.columns(); i++) {
          dw.add(o, i, dOut.at(r, o) * x.at(r, i));
        }
      }
    }
    dw.round();
  }

  @Override
  public void rmsNormBackward(
      DoubleMatrix dOut,
      DoubleMatrix x,
      DoubleMatrix gain,
      DoubleMatrix inverseRms,
      DoubleMatrix dx,
      @Nullable DoubleMatrix dGain) {
    for (int r = 0; r < x.rows(); r++) {
      double inverse = inverseRms.at(r, 0);
      double projection = 0;
      for (int j = 0; j < x.columns(); j++) {
        projection += dOut.at(r, j) * gain.at(0, j) * x.at(r, j);
        if (dGain != null) {
          dGain.add(0, j, dOut.at(r, j) * x.at(r, j) * inverse);
        }
      }
      projection *= inverse * inverse / x.columns();
      for (int j = 0; j < x.columns(); j++) {
        dx.add(r, j, inverse * (dOut.at(r, j) * gain.at(0, j) - x.at(r, j) * projection));
      }
    }
    dx.round();
    if (dGain != null) {
      dGain.round();
    }
  }

  @Override
  public void attentionBackward(
      TrainingShape shape,
      DoubleMatrix q,
      DoubleMatrix k,
      DoubleMatrix v,
      DoubleMatrix out,
      DoubleMatrix logSumExp,
      @Nullable DoubleMatrix probabilities,
      DoubleMatrix dOut,
      DoubleMatrix dq,
      DoubleMatrix dk,
      DoubleMatrix dv) {
    zero(dq);
    zero(dk);
    zero(dv);
    double scale = 1 / Math.sqrt(shape.headDim());
    for (int r = 0; r < q.rows(); r++) {
      int start = r - r % shape.tokens();
      for (int h = 0; h < shape.nHeads(); h++) {
        int at = h * shape.headDim();
        int kv = h / shape.groupSize() * shape.headDim();
        double[] p = scores(shape, q, k, r, h);
        double delta = 0;
        for (int d = 0; d < shape.headDim(); d++) {
          delta += dOut.at(r, at + d) * out.at(r, at + d);
        }
        for (int j = 0; j < p.length; j++) {
          p[j] =
              probabilities == null
                  ? Math.exp(p[j] - logSumExp.at(r, h))
                  : probabilities.at(r * shape.nHeads() + h, j);
          double dp = 0;
          for (int d = 0; d < shape.headDim(); d++) {
            dp += dOut.at(r, at + d) * v.at(start + j, kv + d);
          }
          double ds = p[j] * (dp - delta) * scale;
          for (int d = 0; d < shape.headDim(); d++) {
            dv.add(start + j, kv + d, p[j] * dOut.at(r, at + d));
            dq.add(r, at + d, ds * k.at(start + j, kv + d));
            dk.add(start + j, kv + d, ds * q.at(r, at + d));
          }
        }
      }
    }
    dq.round();
    dk.round();
    dv.round();
  }

  @Override
  public void swiGluBackward(
      DoubleMatrix gate, DoubleMatrix up, DoubleMatrix dOut, DoubleMatrix dGate, DoubleMatrix dUp) {
    for (int r = 0; r < gate.rows(); r++) {
      for (int j = 0; j < gate.columns(); j++) {
        double g = gate.at(r, j);
        double s = sigmoid(g);
        double d = dOut.at(r, j);
        dGate.set(r, j, d * up.at(r, j) * s * (1 + g * (1 - s)));
        dUp.set(r, j, d * g * s);
      }
    }
    dGate.round();
    dUp.round();
  }

  @Override
  public void embedBackward(DoubleMatrix ids, DoubleMatrix dOut, DoubleMatrix dTable) {
    for (int r = 0; r < dOut.rows(); r++) {
      for (int j = 0; j < dOut.columns(); j++) {
        dTable.add(ids.id(r), j, dOut.at(r, j));
      }
    }
    dTable.round();
  }

  // ---- update

  @Override
  public void zero(DoubleMatrix x) {
    int end = x.first() + x.rows() * x.columns();
    java.util.Arrays.fill(x.values(), x.first(), end, 0);
  }

  @Override
  public double sumOfSquares(DoubleMatrix x) {
    double sum = 0;
    for (int i = 0; i < x.rows() * x.columns(); i++) {
      double v = x.values()[x.first() + i];
      sum += v * v;
    }
    return sum;
  }

  @Override
  public void adamW(
      AdamW s,
      float gradientScale,
      DoubleMatrix weight,
      @Nullable DoubleMatrix master,
      DoubleMatrix gradient,
      DoubleMatrix momentum,
      DoubleMatrix variance) {
    DoubleMatrix updated = master == null ? weight : master;
    for (int r = 0; r < weight.rows(); r++) {
      for (int j = 0; j < weight.columns(); j++) {
        double g = gradient.at(r, j) * gradientScale;
        double m = s.beta1() * momentum.at(r, j) + (1 - s.beta1()) * g;
        double v = s.beta2() * variance.at(r, j) + (1 - s.beta2()) * g * g;
        momentum.set(r, j, m);
        variance.set(r, j, v);
        double mHat = m / (1 - Math.pow(s.beta1(), s.step()));
        double vHat = v / (1 - Math.pow(s.beta2(), s.step()));
        double w = updated.at(r, j);
        double step = mHat / (Math.sqrt(vHat) + s.epsilon()) + s.weightDecay() * w;
        updated.set(r, j, w - s.learningRate() * step);
      }
    }
    store(updated, weight);
  }

  /** The master copy rounded into the weight. */
  private void store(DoubleMatrix updated, DoubleMatrix weight) {
    if (updated != weight) {
      copy(updated, weight);
    }
  }

  @Override
  public void sgd(
      Sgd s,
      float gradientScale,
      DoubleMatrix weight,
      @Nullable DoubleMatrix master,
      DoubleMatrix gradient,
      @Nullable DoubleMatrix velocity) {
    DoubleMatrix updated = master == null ? weight : master;
    for (int r = 0; r < weight.rows(); r++) {
      for (int j = 0; j < weight.columns(); j++) {
        double w = updated.at(r, j);
        double direction = gradient.at(r, j) * gradientScale + s.weightDecay() * w;
        if (velocity != null) {
          direction += s.momentum() * velocity.at(r, j);
          velocity.set(r, j, direction);
        }
        updated.set(r, j, w - s.learningRate() * direction);
      }
    }
    store(updated, weight);
  }

  @Override
  public void close() {}
}
