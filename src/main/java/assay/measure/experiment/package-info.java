/**
 * Experiments that put single claims to the test on a back end: small runs with an answer in
 * numbers, stored as {@link assay.results.Experiment}. The verdict is not given here but in {@code
 * claims}, from what is stored.
 *
 * <p>Open {@link assay.measure.experiment.Experiments} first.
 */
@NullMarked
package assay.measure.experiment;

import org.jspecify.annotations.NullMarked;
