/**
 * Exact counts: FLOPs and bytes per operation and phase, memory by category.
 *
 * <p>Lives here: integers that follow from a model's shape and a workload, with no opinion in them.
 * Does not live here: times, efficiencies, devices (see {@code assay.estimate}).
 *
 * <p>Open {@link assay.cost.CostModel} first (the forward pass as counts), then {@link
 * assay.cost.MemoryCost}.
 */
@NullMarked
package assay.cost;

import org.jspecify.annotations.NullMarked;
