package assay.engine;

import assay.backend.Backend;
import assay.tensor.Tensor;
import java.util.ArrayList;
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
 * @param lowRank adapters beside it, or null
 */
record Linear(List<Tensor> parts, @Nullable Tensor bias, @Nullable LowRank lowRank) {

  /**
   * Unmerged adapters: y += (x·Aᵀ)·Bᵀ.
   *
   * @param down the A's of all adapters, one above the other, [sum of ranks, in]
   * @param ups the B's
   */
  record LowRank(Tensor down, List<Up> ups) {}

  /**
   * One adapter's B, its scale multiplied in.
   *
   * @param matrix [out of the adapter, rank]
   * @param firstRank its first row of the stacked A's
   * @param firstOutput its first column of y
   */
  record Up(Tensor matrix, int firstRank, int firstOutput) {}

  /**
   * What one pass writes, as views that are made once.
   *
   * @param out y, [n, out]
   * @param parts the columns of y that each part writes
   * @param low x·Aᵀ of all adapters, [n, sum of ranks]; null without adapters
   * @param lowParts its columns of each adapter
   * @param lowOutputs the columns of y that each adapter adds to
   */
  record Views(
      Tensor out,
      List<Tensor> parts,
      @Nullable Tensor low,
      List<Tensor> lowParts,
      List<Tensor> lowOutputs) {}

  /**
   * Views for a pass.
   *
   * @param out [n, out]
   * @param low scratch for adapters, [n, at least the sum of ranks]; null where no layer has any
   */
  Views views(Tensor out, @Nullable Tensor low) {
    List<Tensor> columns = new ArrayList<>();
    int first = 0;
    for (Tensor part : parts) {
      columns.add(parts.size() == 1 ? out : out.columns(first, part.rows()));
      first += part.rows();
    }
    if (lowRank == null || low == null) {
      return new Views(out, List.copyOf(columns), null, List.of(), List.of());
    }
    List<Tensor> lowParts = new ArrayList<>();
    List<Tensor> lowOutputs = new ArrayList<>();
    for (Up up : lowRank.ups()) {
      lowParts.add(low.columns(up.firstRank(), up.matrix().columns()));
      lowOutputs.add(out.columns(up.firstOutput(), up.matrix().rows()));
    }
    Tensor all = low.columns(0, lowRank.down().rows());
    return new Views(
        out, List.copyOf(columns), all, List.copyOf(lowParts), List.copyOf(lowOutputs));
  }

  void enqueue(Backend backend, Tensor x, Views views) {
    for (int i = 0; i < parts.size(); i++) {
      backend.matmul(x, parts.get(i), views.parts().get(i), false);
    }
    if (lowRank != null && views.low() != null) {
      backend.matmul(x, lowRank.down(), views.low(), false);
      for (int i = 0; i < lowRank.ups().size(); i++) {
        backend.matmul(
            views.lowParts().get(i),
            lowRank.ups().get(i).matrix(),
            views.lowOutputs().get(i),
            true);
      }
    }
    if (bias != null) {
      backend.bias(views.out(), bias);
    }
  }
}
