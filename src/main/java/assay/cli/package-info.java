/**
 * The commands, and the only place that knows which back ends exist.
 *
 * <p>Lives here: options, their checks, exit codes, progress. Does not live here: any computation.
 * Start with {@link assay.cli.Main}.
 */
@NullMarked
package assay.cli;

import org.jspecify.annotations.NullMarked;
