package assay.claims;

/**
 * One claim as its source states it.
 *
 * @param id F1 … D2
 * @param kind identity, estimate, rule or reference
 * @param source which of the five documents, S0 … S4
 * @param statement what is claimed
 * @param formula how it is computed
 */
public record Claim(String id, String kind, String source, String statement, String formula) {}
