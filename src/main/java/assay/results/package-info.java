/**
 * Plain records of what was predicted and measured: one row of {@code results.jsonl}, its reading,
 * writing and CSV.
 *
 * <p>Lives here: the records, which cannot hold NaN, infinite or negative numbers. Does not live
 * here: measuring ({@code measure}), rendering ({@code report}); rows know nothing of the classes
 * that fill them.
 *
 * <p>Open {@link assay.results.ResultRow} first. Names in JSON are those of the components in
 * snake_case; what is null is absent.
 */
@NullMarked
package assay.results;

import org.jspecify.annotations.NullMarked;
