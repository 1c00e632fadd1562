package assay.claims;

import assay.results.ResultJson;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.type.TypeReference;

/** Every claim with its finding, in the order of the catalogue; no claim without one. */
public final class Ledger {
  private static final String CATALOGUE = "/assay/claims/claims.json";

  /** A claim and what was found. */
  public record Entry(Claim claim, Finding finding) {}

  private final List<Claim> claims;
  private final Map<String, Examiner> examiners = new HashMap<>();

  /** Reads the catalogue and knows how to examine each claim. */
  public Ledger() {
    claims = catalogue();
    examiners.putAll(NumberClaims.examiners());
    examiners.putAll(MemoryClaims.examiners());
    examiners.putAll(TrainingClaims.examiners());
    examiners.putAll(TrainingKindClaims.examiners());
    examiners.putAll(ComputeClaims.examiners());
    examiners.putAll(InferenceClaims.examiners());
    examiners.putAll(TokenClaims.examiners());
    for (Claim c : claims) {
      if (!examiners.containsKey(c.id())) {
        throw new IllegalStateException("nobody examines claim " + c.id());
      }
    }
  }

  private static List<Claim> catalogue() {
    try (InputStream in = Ledger.class.getResourceAsStream(CATALOGUE)) {
      if (in == null) {
        throw new IllegalStateException("no " + CATALOGUE);
      }
      return ResultJson.mapper().readValue(in, new TypeReference<List<Claim>>() {});
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** All claims. */
  public List<Claim> claims() {
    return claims;
  }

  /** Every claim's finding on this evidence. */
  public List<Entry> examine(Evidence evidence) {
    List<Entry> out = new ArrayList<>();
    for (Claim c : claims) {
      Examiner examiner = examiners.get(c.id());
      if (examiner != null) {
        out.add(new Entry(c, examiner.examine(evidence)));
      }
    }
    return List.copyOf(out);
  }
}
