/**
 * Inner loops of the CPU back end on absolute addresses: matrix products on packed weights and
 * conversions. One interface, {@link assay.backend.cpu.kernel.Kernels} (open it first), and two
 * implementations: machine code written at start for AVX-512 ({@link
 * assay.backend.cpu.kernel.GeneratedKernels}) and the Vector API for every other processor ({@link
 * assay.backend.cpu.kernel.VectorKernels}). The order of bytes that they share is in {@link
 * assay.backend.cpu.kernel.PanelLayout}.
 *
 * <p>Does not live here: tensors' shapes, threads, operations (see {@code assay.backend.cpu}).
 */
@NullMarked
package assay.backend.cpu.kernel;

import org.jspecify.annotations.NullMarked;
