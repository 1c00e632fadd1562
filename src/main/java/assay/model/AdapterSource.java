package assay.model;

import java.util.Map;

/** Where the values of low-rank adapters come from. */
public interface AdapterSource {
  /** What it is called, for messages and results. */
  String name();

  /** Which matrices have one, and of which rank. */
  AdapterShape shape();

  /** A of a module, [rank, inputs] row-major, as stored. */
  float[] down(AdapterShape.Module module);

  /**
   * B of a module times its scale (alpha / rank, or alpha / √rank), [outputs, rank] row-major; one
   * rounding to fp32.
   */
  float[] up(AdapterShape.Module module);

  /** NaN and infinite values by tensor; empty where all is finite. */
  Map<String, Long> nonFinite();
}
