/**
 * The fast CPU back end: Vector API kernels, oneDNN where it is present.
 *
 * <p>Lives here: everything that only this back end needs. Does not live here: the interface it
 * implements (see {@code assay.backend}). Knows no other back end.
 */
@NullMarked
package assay.backend.cpu;

import org.jspecify.annotations.NullMarked;
