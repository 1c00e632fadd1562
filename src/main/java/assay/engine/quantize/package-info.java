/**
 * Weights made smaller with a look at the model: layer-wise quantisation from a calibration text
 * (claim I10) and magnitude pruning (claim I9). Both are sources of weights that wrap another.
 *
 * <p>Open {@link assay.engine.quantize.Gptq} first.
 */
@NullMarked
package assay.engine.quantize;

import org.jspecify.annotations.NullMarked;
