package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * The most that the device can do, in this precision and measured in the same run.
 *
 * @param peakFlopsPerSecond what MFU is a fraction of: the datasheet's dense peak, or the largest
 *     rate measured here
 * @param peakSource {@code datasheet} or {@code measured}
 * @param decodePeakFlopsPerSecond the same for decode, where its products use other arithmetic than
 *     prefill's; else null
 * @param gemmFlopsPerSecond a large matrix product through the back end
 * @param gemmShape its n × in × out
 * @param copyBytesPerSecond bytes read per second by a sweep over memory
 * @param copyBytes how many bytes that sweep reads: at least four times the last-level cache
 * @param copyKind how the sweep reads
 * @param cacheBytes size of the last-level cache, where the device is a host
 * @param cacheBytesPerSecond the same sweep over half of it, again and again
 * @param bandwidthBytesPerSecond the datasheet's memory bandwidth, where there is one
 * @param gemmRotatingBuffers sets of operands that took turns in that product, so that none came
 *     out of the device's cache; 1 on a host and where one set is far larger than the cache
 * @param arithmeticFlopsPerSecond on a host, fused multiply-adds of fp32 from the first-level cache
 */
public record Ceilings(
    @Nullable Double peakFlopsPerSecond,
    @Nullable String peakSource,
    @Nullable Double decodePeakFlopsPerSecond,
    @Nullable Double gemmFlopsPerSecond,
    @Nullable String gemmShape,
    @Nullable Double copyBytesPerSecond,
    @Nullable Long copyBytes,
    @Nullable String copyKind,
    @Nullable Long cacheBytes,
    @Nullable Double cacheBytesPerSecond,
    @Nullable Double bandwidthBytesPerSecond,
    @Nullable Integer gemmRotatingBuffers,
    @Nullable Double arithmeticFlopsPerSecond) {
  /** Checks every number. */
  public Ceilings {
    Numbers.positive("ceilings.peak_flops_per_second", peakFlopsPerSecond);
    Numbers.positive("ceilings.decode_peak_flops_per_second", decodePeakFlopsPerSecond);
    Numbers.positive("ceilings.gemm_flops_per_second", gemmFlopsPerSecond);
    Numbers.positive("ceilings.copy_bytes_per_second", copyBytesPerSecond);
    Numbers.count("ceilings.copy_bytes", copyBytes);
    Numbers.count("ceilings.cache_bytes", cacheBytes);
    Numbers.positive("ceilings.cache_bytes_per_second", cacheBytesPerSecond);
    Numbers.positive("ceilings.bandwidth_bytes_per_second", bandwidthBytesPerSecond);
    Numbers.positive("ceilings.arithmetic_flops_per_second", arithmeticFlopsPerSecond);
  }

  /** The same with a peak of its own for decode. */
  public Ceilings withDecodePeak(@Nullable Double flopsPerSecond) {
    return new Ceilings(
        peakFlopsPerSecond,
        peakSource,
        flopsPerSecond,
        gemmFlopsPerSecond,
        gemmShape,
        copyBytesPerSecond,
        copyBytes,
        copyKind,
        cacheBytes,
        cacheBytesPerSecond,
        bandwidthBytesPerSecond,
        gemmRotatingBuffers,
        arithmeticFlopsPerSecond);
  }
}
