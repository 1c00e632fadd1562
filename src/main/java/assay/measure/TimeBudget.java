package assay.measure;

/**
 * How long measuring one row may take. Very long runs ignore it as far as {@code minRuns} asks.
 *
 * @param warmupSeconds most that warming up takes; what is not steady by then is said
 * @param measureSeconds timed runs go on for so long
 * @param minRuns timed runs at least
 * @param maxRuns timed runs at most
 */
public record TimeBudget(double warmupSeconds, double measureSeconds, int minRuns, int maxRuns) {
  /** For the main job: many precisions in under a minute. */
  public static final TimeBudget SHORT = new TimeBudget(3, 2.5, 5, 200);

  /** For {@code bench}. */
  public static final TimeBudget THOROUGH = new TimeBudget(8, 8, 7, 500);
}
