package assay.measure;

import assay.backend.Backend;

/**
 * The last cache before the memory of a device apart from the host. A small operation that is
 * repeated on the same operands would read them from there, which no model's pass does: between two
 * uses of the same weights it reads all the others.
 */
public final class DeviceCache {
  private static final long USUAL_BYTES = 64L << 20;

  /** What lies between two uses of a buffer: caches are not emptied in order. */
  private static final int TIMES_THE_CACHE = 2;

  private DeviceCache() {}

  /** Its size; 0 for a host, and a usual size where a device does not tell. */
  public static long bytes(Backend device) {
    if (device.sharesHostMemory()) {
      return 0;
    }
    String bytes = device.info().facts().getOrDefault("l2_bytes", "");
    return bytes.matches("\\d{1,12}") ? Long.parseLong(bytes) : USUAL_BYTES;
  }

  /** How much to write over so that nothing of what was there before is left in the cache. */
  public static long flushBytes(Backend device) {
    return TIMES_THE_CACHE * bytes(device);
  }

  /**
   * How many sets of operands to take in turn, so that twice the cache's size lies between two uses
   * of the same one.
   *
   * @param setBytes operands of one run
   * @param cacheBytes size of the cache; 0 for none
   * @param mostBytes of memory that there is for all sets
   * @return 1 or more
   */
  static int sets(long setBytes, long cacheBytes, long mostBytes) {
    long between = TIMES_THE_CACHE * cacheBytes;
    if (between <= setBytes || setBytes <= 0) {
      return 1;
    }
    long wanted = 1 + (between + setBytes - 1) / setBytes;
    return (int) Math.max(1, Math.min(wanted, mostBytes / setBytes));
  }
}
