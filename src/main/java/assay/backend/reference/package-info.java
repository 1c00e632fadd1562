/**
 * The judge: every operation as plain loops with double accumulation, slow and obvious. Correctness
 * of the other back ends is measured against it; it is never timed.
 */
@NullMarked
package assay.backend.reference;

import org.jspecify.annotations.NullMarked;
