/**
 * Runs a transformer on a back end: weights, KV cache and activations allocated once; prefill;
 * decode, recorded once and replayed; sampling. Knows no file formats and predicts nothing.
 *
 * <p>Open {@link assay.engine.Session} first, then {@link assay.engine.ForwardPass}, which is the
 * forward pass as one straight story.
 */
@NullMarked
package assay.engine;

import org.jspecify.annotations.NullMarked;
