/**
 * The NVIDIA GPU back end, by JCuda. The only package that sees a JCuda type.
 *
 * <p>Lives here: context, memory, streams, kernels' launchers. Does not live here: the interface it
 * implements (see {@code assay.backend}), and the kernels themselves ({@code kernels/*.cu}). Knows
 * no other back end.
 *
 * <p>From kernels upwards: {@link assay.backend.cuda.Kernel} lists every entry point, {@link
 * assay.backend.cuda.KernelTable} launches one through a {@link assay.backend.cuda.Launcher}, and
 * {@link assay.backend.cuda.RowOps}, {@link assay.backend.cuda.AttentionOps}, {@link
 * assay.backend.cuda.MatrixOps} and {@link assay.backend.cuda.TokenOps} are the operations of
 * {@code Backend} in terms of kernels, with every choice of kernel, grid and argument. They see no
 * JCuda type, so tests run them on kernels compiled for the host.
 */
@NullMarked
package assay.backend.cuda;

import org.jspecify.annotations.NullMarked;
