/**
 * Exact counts: FLOPs and bytes per operation and phase, memory by category.
 *
 * <p>Lives here: integers that follow from a model's shape and a workload, with no opinion in them.
 * Does not live here: times, efficiencies, devices (see {@code assay.estimate}).
 */
@NullMarked
package assay.cost;

import org.jspecify.annotations.NullMarked;
