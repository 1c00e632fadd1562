/**
 * Device memory: owners ({@link assay.tensor.Arena}) and views ({@link assay.tensor.Tensor}), by
 * category. No arithmetic on tensors (that is {@code backend}).
 *
 * <p>Open {@link assay.tensor.Tensor} first.
 */
@NullMarked
package assay.tensor;

import org.jspecify.annotations.NullMarked;
