/**
 * Renders stored results: terminal, HTML, CSV, Markdown.
 *
 * <p>Lives here: pages and tables. Reads stored results only, so that old runs can be rendered
 * anywhere.
 */
@NullMarked
package assay.report;

import org.jspecify.annotations.NullMarked;
