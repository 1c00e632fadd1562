package assay.cli;

import assay.model.WeightSource;
import java.io.PrintWriter;

/** Remarks on standard error about what was found on the way. */
final class Remarks {
  private Remarks() {}

  /** Says which tensors held NaN or infinite values. */
  static void nonFinite(PrintWriter err, WeightSource source) {
    source
        .nonFinite()
        .forEach(
            (tensor, count) ->
                err.printf(
                    "assay: tensor '%s' holds %d NaN or infinite values: the results will too%n",
                    tensor, count));
    err.flush();
  }
}
