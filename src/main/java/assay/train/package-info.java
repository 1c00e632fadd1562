/**
 * The training step: losses, gradients, optimisers.
 *
 * <p>Lives here: what training adds to the forward pass of {@code assay.engine}. Does not live
 * here: measuring it (see {@code assay.measure}) and predicting it (see {@code assay.estimate}).
 */
@NullMarked
package assay.train;

import org.jspecify.annotations.NullMarked;
