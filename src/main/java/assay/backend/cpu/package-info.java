/**
 * The fast CPU back end; open {@link assay.backend.cpu.CpuBackend} first. It checks shapes and
 * hands each operation to a reusable task ({@code Matmul}, {@code VectorProduct}, {@code
 * PrefillAttention}, {@code DecodeAttention}, {@code RowTasks}) that shares it among {@code
 * Workers}; the arithmetic is in {@code kernel}.
 *
 * <p>Lives here: everything that only this back end needs. Does not live here: the interface it
 * implements (see {@code assay.backend}). Knows no other back end.
 */
@NullMarked
package assay.backend.cpu;

import org.jspecify.annotations.NullMarked;
