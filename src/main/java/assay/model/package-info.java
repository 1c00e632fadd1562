/**
 * What a decoder-only transformer <em>is</em>: its configuration, its tensors with their shapes,
 * the storage formats with their exact bytes, the names of the operations and of the workloads, and
 * the interface behind which weights come ({@link assay.model.WeightSource}). Facts and names only:
 * no counting of operations (that is {@code cost}), no opinion about time ({@code estimate}), no
 * memory and no arithmetic ({@code tensor}, {@code backend}).
 *
 * <p>Open {@link assay.model.ModelConfig} first, then {@link assay.model.WeightLayout}.
 */
@NullMarked
package assay.model;

import org.jspecify.annotations.NullMarked;
