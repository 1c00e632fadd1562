package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * How fast a host was at one moment between timed runs: three brief, fixed pieces of work. Others
 * on the same machine (neighbours of a virtual machine, too, whom no counter shows) change it from
 * second to second, and the model's times with it.
 *
 * @param arithmeticFlopsPerSecond fused multiply-adds of fp32 from the first-level cache
 * @param copyBytesPerSecond a read sweep over memory
 * @param cacheBytesPerSecond the same over half of the last-level cache
 */
public record Pace(
    double arithmeticFlopsPerSecond,
    double copyBytesPerSecond,
    @Nullable Double cacheBytesPerSecond) {
  /** Checks every number. */
  public Pace {
    Numbers.positive("samples.pace.arithmetic_flops_per_second", arithmeticFlopsPerSecond);
    Numbers.positive("samples.pace.copy_bytes_per_second", copyBytesPerSecond);
    Numbers.positive("samples.pace.cache_bytes_per_second", cacheBytesPerSecond);
  }
}
