package assay.claims;

/** Computes the finding on one claim from what was measured. */
@FunctionalInterface
interface Examiner {
  Finding examine(Evidence evidence);
}
