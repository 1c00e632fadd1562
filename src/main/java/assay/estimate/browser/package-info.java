/**
 * The estimator inside a web page. The build compiles this package, and with it {@code cost} and
 * {@code estimate}, to JavaScript: the page computes with these very classes, so its formulas
 * cannot drift from the command line's.
 *
 * <p>Lives here: the way of a question and its answer over the border as text. Does not live here:
 * HTML (see {@code assay.report}). Nothing here may use what the compiler to JavaScript lacks:
 * files, reflection, Jackson.
 *
 * <p>Open {@link assay.estimate.browser.BrowserEstimator} first.
 */
@NullMarked
package assay.estimate.browser;

import org.jspecify.annotations.NullMarked;
