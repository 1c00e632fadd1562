/**
 * Fits the estimator's constants to stored results.
 *
 * <p>Lives here: the fit and its error on held-out results. Reads stored results only: no device is
 * needed.
 *
 * <p>Open {@link assay.calibrate.Calibrator} first, then {@link assay.calibrate.Fit}.
 */
@NullMarked
package assay.calibrate;

import org.jspecify.annotations.NullMarked;
