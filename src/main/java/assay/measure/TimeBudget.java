package assay.measure;

/**
 * How long measuring one row may take. Very long runs ignore it as far as {@code minRuns} asks.
 *
 * @param warmupSeconds most that warming up takes; what is not steady by then is said
 * @param measureSeconds timed runs go on for so long
 * @param minRuns timed runs at least
 * @param maxRuns timed runs at most
 * @param retakes how often a row is timed again whose host was slower than it had been before
 */
public record TimeBudget(
    double warmupSeconds, double measureSeconds, int minRuns, int maxRuns, int retakes) {
  /** For the main job: many precisions in under a minute. */
  public static final TimeBudget SHORT = new TimeBudget(3, 2.5, 5, 200, 1);

  /** For {@code bench}. */
  public static final TimeBudget THOROUGH = new TimeBudget(8, 8, 7, 500, 2);
}
