package assay.claims;

import com.fasterxml.jackson.annotation.JsonValue;

/** What became of a claim. */
public enum Verdict {
  /** True as stated. */
  HOLDS("holds"),
  /** Off by no more than the tolerance that the finding states. */
  WITHIN("within"),
  /** Not true; the finding says what is true instead. */
  FAILS("fails"),
  /** No measurement yet; the finding says what would be needed. */
  NOT_MEASURED("not-measured"),
  /** Cannot be tested here; shown with its source. */
  REFERENCE("reference");

  private final String label;

  Verdict(String label) {
    this.label = label;
  }

  /** The word in JSON and tables. */
  @JsonValue
  public String label() {
    return label;
  }
}
