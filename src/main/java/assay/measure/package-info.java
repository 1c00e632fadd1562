/**
 * Measuring what really happens: warm-up, verification, timing, ceilings, statistics, the
 * environment.
 *
 * <p>Lives here: everything that takes a number from a running model or device, and the experiments
 * that claims ask for. Does not live here: the choice of back end (see {@code assay.cli}) and what
 * a number means (see {@code assay.claims}).
 */
@NullMarked
package assay.measure;

import org.jspecify.annotations.NullMarked;
