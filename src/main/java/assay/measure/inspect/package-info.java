/**
 * What a model's weights are (parameters by component, types, bytes, zeros, values that are not
 * finite), and what a GPU's own counters say beside our counts of bytes and FLOPs. Nothing here
 * runs a model.
 *
 * <p>Open {@link assay.measure.inspect.WeightScan} or {@link
 * assay.measure.inspect.HardwareCounters} first.
 */
@NullMarked
package assay.measure.inspect;

import org.jspecify.annotations.NullMarked;
