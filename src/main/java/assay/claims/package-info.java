/**
 * The ledger: each claim, its prediction, what was measured, the verdict.
 *
 * <p>Lives here: claims and how they are judged from stored results. Does not live here: the
 * experiments themselves (see {@code assay.measure}).
 */
@NullMarked
package assay.claims;

import org.jspecify.annotations.NullMarked;
