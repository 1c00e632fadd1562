/**
 * The part of the Jinja template language that chat templates use: a small interpreter of our own,
 * since the Java libraries for Jinja bring a dozen jars and lack the methods of Python's strings
 * that templates call. Behaviour follows Jinja 3 as Hugging Face sets it up: trim_blocks,
 * lstrip_blocks, loop controls, an immutable sandbox.
 *
 * <p>Open {@link assay.tokenizer.jinja.Template} first.
 */
@NullMarked
package assay.tokenizer.jinja;

import org.jspecify.annotations.NullMarked;
