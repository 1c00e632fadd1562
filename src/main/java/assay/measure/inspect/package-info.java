/**
 * What a model's weights are: parameters by component, types, bytes, zeros, values that are not
 * finite.
 *
 * <p>Open {@link assay.measure.inspect.WeightScan} first.
 */
@NullMarked
package assay.measure.inspect;

import org.jspecify.annotations.NullMarked;
