/**
 * Rules of thumb, each beside the exact count: what the sources under test and other estimators say
 * of the same input.
 *
 * <p>Open {@link assay.estimate.rules.InferenceRules} and {@link
 * assay.estimate.rules.TrainingRules}.
 */
@NullMarked
package assay.estimate.rules;

import org.jspecify.annotations.NullMarked;
