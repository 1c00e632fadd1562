/**
 * Plain records of what was predicted and measured, as JSON lines.
 *
 * <p>Lives here: the records and their reading and writing. Does not live here: measuring,
 * rendering.
 */
@NullMarked
package assay.results;

import org.jspecify.annotations.NullMarked;
