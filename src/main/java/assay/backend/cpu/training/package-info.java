/**
 * The training step's operations on the CPU, in fp32; other types are widened.
 *
 * <p>Lives here: matrix products for forward and backward, the row-wise operations and attention
 * with their gradients, the optimisers. Does not live here: their order, and what is saved between
 * forward and backward (see {@code assay.train}). Start with {@link
 * assay.backend.cpu.training.CpuTrainingOps}.
 */
@NullMarked
package assay.backend.cpu.training;

import org.jspecify.annotations.NullMarked;
