/**
 * The training step: losses, gradients, optimisers.
 *
 * <p>Lives here: what training adds to the forward pass of {@code assay.engine}: which operations
 * run in which order, what is kept for the backward pass, what is counted. Does not live here: how
 * a device does an operation (see {@link assay.backend.TrainingOps}), predictions (see {@code
 * assay.estimate}). Start with {@link assay.train.TrainingStep}.
 */
@NullMarked
package assay.train;

import org.jspecify.annotations.NullMarked;
