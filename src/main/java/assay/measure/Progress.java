package assay.measure;

/** Hears what is being done, for a bar on a terminal. */
@FunctionalInterface
public interface Progress {
  /** Nobody listens. */
  Progress SILENT = (what, fraction) -> {};

  /**
   * @param what what is being done now
   * @param fraction how much of the row at hand is done, 0 to 1
   */
  void at(String what, double fraction);
}
