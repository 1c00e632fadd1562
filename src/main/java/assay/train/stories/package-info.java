/**
 * Little stories out of a grammar: the text that the built-in model is trained on, ours and free.
 *
 * <p>Lives here: the grammar's reader and the generator. The grammar itself is the resource {@code
 * assay/builtin/stories.grammar}. Start with {@link assay.train.stories.StoryGenerator}.
 */
@NullMarked
package assay.train.stories;

import org.jspecify.annotations.NullMarked;
