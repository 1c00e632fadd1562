package assay.backend;

/**
 * The device's memory as its driver (or the operating system) sees it at this moment.
 *
 * @param totalBytes all of it
 * @param freeBytes what can still be allocated
 */
public record DeviceMemory(long totalBytes, long freeBytes) {}
