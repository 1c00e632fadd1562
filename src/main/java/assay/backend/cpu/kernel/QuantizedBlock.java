package assay.backend.cpu.kernel;

/**
 * A block of 32 activations as int8: 32 q, fp32 d, int32 z·Σq where z is minus the weights' zero
 * point. The plain form of what {@link ConvertCode} does: for the last, short block of a row, and
 * to test the other against.
 */
final class QuantizedBlock {
  private QuantizedBlock() {}

  /**
   * Encodes {@code count} fp32 at {@code x}, 32 at most, as if zeros followed. A NaN makes d NaN.
   */
  static void encode(long x, int count, int zeroPoint, long target) {
    float max = 1e-30f;
    for (int i = 0; i < count; i++) {
      float magnitude = Math.abs(RawMemory.getFloat(x + 4L * i));
      if (magnitude > max || Float.isNaN(magnitude)) {
        max = magnitude;
      }
    }
    float scale = 127f / max;
    int sum = 0;
    for (int i = 0; i < 32; i++) {
      int q = i < count ? (int) Math.rint(RawMemory.getFloat(x + 4L * i) * scale) : 0;
      sum += q;
      RawMemory.setByte(target + i, (byte) q);
    }
    RawMemory.setFloat(target + 32, max * (1 / 127f));
    RawMemory.setInt(target + 36, zeroPoint * sum);
  }
}
