/**
 * Training: bytes by category and term, FLOPs, step time; adapters; several devices.
 *
 * <p>Open {@link assay.estimate.training.TrainingEstimator} first, then {@link
 * assay.estimate.training.ActivationTerms}.
 */
@NullMarked
package assay.estimate.training;

import org.jspecify.annotations.NullMarked;
