/**
 * Fits the estimator's constants to stored results.
 *
 * <p>Lives here: the fit and its error on held-out results. Reads stored results only: no device is
 * needed.
 */
@NullMarked
package assay.calibrate;

import org.jspecify.annotations.NullMarked;
