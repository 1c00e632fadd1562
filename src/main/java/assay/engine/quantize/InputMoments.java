package assay.engine.quantize;

import assay.engine.PassObserver;
import assay.engine.Session;
import assay.model.WeightRole;
import assay.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;

/** Second moments Σ x·xᵀ of what each linear layer multiplies, over a calibration text; in fp64. */
public final class InputMoments implements PassObserver {
  private final Session session;
  private final Map<String, double[][]> moments = new HashMap<>();
  private long rows;

  /** Observes passes of this session. */
  public InputMoments(Session session) {
    this.session = session;
  }

  private static String key(int layer, WeightRole role) {
    return switch (role) {
      case Q, K, V -> layer + "/qkv";
      case GATE, UP -> layer + "/up";
      default -> layer + "/" + role;
    };
  }

  @Override
  public void input(int layer, WeightRole role, Tensor x) {
    int n = x.columns();
    float[] values = session.readFloats(x);
    double[][] h = moments.computeIfAbsent(key(layer, role), k -> new double[n][n]);
    IntStream.range(0, n)
        .parallel()
        .forEach(
            i -> {
              for (int r = 0; r < x.rows(); r++) {
                double a = values[r * n + i];
                for (int j = 0; j <= i; j++) {
                  h[i][j] += a * values[r * n + j];
                }
              }
            });
    if (layer == 0 && role == WeightRole.Q) {
      rows += x.rows();
    }
  }

  /** Rows of the text seen. */
  public long rows() {
    return rows;
  }

  /**
   * The lower triangle of Σ x·xᵀ for a matrix, or null for one that is no linear layer of a block.
   */
  public double @org.jspecify.annotations.Nullable [][] of(int layer, WeightRole role) {
    return moments.get(key(layer, role));
  }
}
