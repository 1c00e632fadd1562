/**
 * Ways of storing one model's weights compared on what they say: KL divergence of the next token,
 * agreement, perplexity, bytes, speed, the worst layer.
 *
 * <p>Open {@link assay.measure.compare.PrecisionComparison} first.
 */
@NullMarked
package assay.measure.compare;

import org.jspecify.annotations.NullMarked;
