/**
 * Files to named tensors: safetensors, GGUF, adapters.
 *
 * <p>Lives here: reading and writing of weight files, every size in a header checked before it is
 * used. Does not live here: what a model does with its weights (see {@code assay.engine}).
 */
@NullMarked
package assay.checkpoint;

import org.jspecify.annotations.NullMarked;
