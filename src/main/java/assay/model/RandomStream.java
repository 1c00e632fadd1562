package assay.model;

/**
 * The random numbers of one tensor, as a device can make them by itself: element i is factor · (sum
 * of the four 16-bit quarters of mix(key + i·γ) − 131070) + offset, where mix is SplitMix64's
 * finaliser and γ its increment 0x9e3779b97f4a7c15; the sum is exact, product and sum are each
 * rounded to fp32.
 *
 * @param key of the tensor
 * @param factor of the centred sum
 * @param offset added to every element
 */
public record RandomStream(long key, float factor, float offset) {}
