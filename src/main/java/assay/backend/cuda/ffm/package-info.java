/**
 * The CUDA libraries that JCuda does not bind, and the two driver calls where its way is slow,
 * through {@code java.lang.foreign}. Nothing here is required: a library that is not there is an
 * empty {@code Optional}, and what it would have said is absent.
 *
 * <p>Open {@link assay.backend.cuda.ffm.NativeLibrary} first, then {@link
 * assay.backend.cuda.ffm.Nvml} or {@link assay.backend.cuda.ffm.CublasLt}.
 */
@NullMarked
package assay.backend.cuda.ffm;

import org.jspecify.annotations.NullMarked;
