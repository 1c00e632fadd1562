package assay.cost;

/** What the causal mask and the sliding window let through, in closed form. */
public final class CausalPairs {
  private CausalPairs() {}

  /**
   * Pairs of query and key that attention computes for one sequence: queries at positions [first,
   * first + tokens), each seeing itself and what came before, at most {@code window} keys.
   *
   * @param window keys that a query sees, its own included; 0 for all
   */
  public static long pairs(long first, long tokens, long window) {
    long last = Math.addExact(first, tokens);
    if (window == 0 || last <= window) {
      return sumTo(last) - sumTo(first);
    }
    if (first >= window) {
      return Math.multiplyExact(tokens, window);
    }
    return sumTo(window) - sumTo(first) + Math.multiplyExact(last - window, window);
  }

  /** Distinct key positions that these queries see together: what must be read of the cache. */
  public static long keys(long first, long tokens, long window) {
    long from = window == 0 ? 0 : Math.max(0, first + 1 - window);
    return first + tokens - from;
  }

  /** 1 + 2 + … + n. */
  private static long sumTo(long n) {
    return n % 2 == 0 ? Math.multiplyExact(n / 2, n + 1) : Math.multiplyExact(n, (n + 1) / 2);
  }
}
