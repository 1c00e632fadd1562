/**
 * Text to token ids and back.
 *
 * <p>Lives here: reading of tokenizer files, encoding, decoding. Does not live here: sampling,
 * chat, models.
 */
@NullMarked
package assay.tokenizer;

import org.jspecify.annotations.NullMarked;
