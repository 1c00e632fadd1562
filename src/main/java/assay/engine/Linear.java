package assay.engine;

import assay.backend.Backend;
import assay.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer y = x·Wᵀ + b whose output may be made of several projections side by side (q|k|v,
 * gate|up). Where all parts share a storage type they are one matrix, so that one product reads the
 * input once; a quantised file may mix types, then each part is its own product into its columns of
 * y.
 *
 * @param parts matrices [rows of the part, in], their outputs concatenated
 * @param bias F32 [1, out] or null
 */
record Linear(List<Tensor> parts, @Nullable Tensor bias) {

  int outputs() {
    return parts.stream().mapToInt(Tensor::rows).sum();
  }

  /** The views of {@code out} that the parts write; made once per pass. */
  List<Tensor> outputViews(Tensor out) {
    if (parts.size() == 1) {
      return List.of(out);
    }
    java.util.ArrayList<Tensor> views = new java.util.ArrayList<>();
    int first = 0;
    for (Tensor part : parts) {
      views.add(out.columns(first, part.rows()));
      first += part.rows();
    }
    return List.copyOf(views);
  }

  void enqueue(Backend backend, Tensor x, List<Tensor> outputViews, Tensor out) {
    for (int i = 0; i < parts.size(); i++) {
      backend.matmul(x, parts.get(i), outputViews.get(i), false);
    }
    if (bias != null) {
      backend.bias(out, bias);
    }
  }
}
