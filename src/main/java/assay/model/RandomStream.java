package assay.model;

/**
 * The random numbers of one tensor, as a device can make them by itself: element i is factor · (sum
 * of the four 16-bit quarters of mix(key + i·γ) − 131070) + offset, where mix is SplitMix64's
 * finaliser and γ its increment 0x9e3779b97f4a7c15; the sum is exact, product and sum are each
 * rounded to fp32.
 *
 * <p>Of a model that is too large to be checked whole on the host, nobody needs these very bits:
 * where {@code anyGenerator} says so, a device may take a generator of its own instead, whose
 * numbers have the same mean and deviation and depend on the key and on the place in the tensor
 * alone.
 *
 * @param key of the tensor
 * @param factor of the centred sum
 * @param offset added to every element
 * @param anyGenerator a device's own generator will do
 */
public record RandomStream(long key, float factor, float offset, boolean anyGenerator) {
  /** Models with more parameters are checked on a slice, and may come from any generator. */
  public static final long WHOLE_PARAMETERS = 200_000_000L;

  /**
   * Standard deviation of the sum of four independent uniform 16-bit integers: 2·√((65536² −
   * 1)/12).
   */
  public static final double SUM_DEVIATION = 37837.227;

  /** Standard deviation of the elements. */
  public double deviation() {
    return factor * SUM_DEVIATION;
  }
}
