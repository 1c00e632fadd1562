/**
 * The NVIDIA GPU back end, by JCuda. The only package that sees a JCuda type.
 *
 * <p>Lives here: context, memory, streams, kernels' launchers. Does not live here: the interface it
 * implements (see {@code assay.backend}). Knows no other back end.
 */
@NullMarked
package assay.backend.cuda;

import org.jspecify.annotations.NullMarked;
