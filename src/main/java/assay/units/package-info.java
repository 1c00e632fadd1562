/**
 * Bytes, seconds and rates, and how they are printed. GB is 10⁹ bytes, GiB is 2³⁰.
 *
 * <p>Lives here: quantities with their unit, their formatting and parsing. Does not live here:
 * anything that knows of a model, a device or a formula.
 */
@NullMarked
package assay.units;

import org.jspecify.annotations.NullMarked;
