/**
 * Opinions on top of the exact counts: what a device will take in bytes and seconds.
 *
 * <p>Lives here: the device table, efficiencies with their sources, the roofline, formulas for
 * training and several devices. Does not live here: anything that runs a model. This package and
 * {@code assay.engine} never meet, or "predicted equals measured" would be true by construction.
 */
@NullMarked
package assay.estimate;

import org.jspecify.annotations.NullMarked;
