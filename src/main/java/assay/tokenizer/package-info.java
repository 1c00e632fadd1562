/**
 * Text to token ids and back.
 *
 * <p>Lives here: the vocabularies inside GGUF files (SentencePiece by score, byte-level BPE with
 * its kinds of pre-tokenisation), tokenizer.json through a library that may be absent, chat
 * templates. Does not live here: sampling, models, reading of the files' bytes.
 *
 * <p>Open {@link assay.tokenizer.Tokenizer} first, then {@link assay.tokenizer.GgufTokenizer}.
 */
@NullMarked
package assay.tokenizer;

import org.jspecify.annotations.NullMarked;
