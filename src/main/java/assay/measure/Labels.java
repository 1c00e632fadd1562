package assay.measure;

import assay.backend.AttentionSpec;
import assay.tensor.Tensor;

/** Shapes in words, the same for counts and times. */
final class Labels {
  private Labels() {}

  static String width(Tensor x) {
    return Integer.toString(x.columns());
  }

  static String addedWidth(Tensor x) {
    return x.columns() + " after add";
  }

  static String headWidth(Tensor x, Tensor gain) {
    return x.columns() / gain.columns() + "×" + gain.columns();
  }

  static String matmul(Tensor weight) {
    return weight.columns() + "→" + weight.rows() + " " + weight.type();
  }

  static String attention(AttentionSpec s) {
    return s.nHeads() + "/" + s.nKvHeads() + "×" + s.headDim();
  }
}
