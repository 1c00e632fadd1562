package assay.backend.cuda;

import java.util.Locale;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.JCudaDriver;

/**
 * What the driver says about a device, without a context on it.
 *
 * @param ordinal its number in this process
 * @param name the driver's name for it
 * @param computeMajor compute capability, first part
 * @param computeMinor compute capability, second part
 * @param multiprocessors SMs
 * @param totalBytes all of its memory
 * @param l2Bytes second-level cache
 * @param busBits width of the memory's bus
 * @param clockKhz highest clock of the SMs, 0 where the driver no longer tells
 * @param memoryClockKhz highest clock of the memory, likewise
 * @param ecc whether error correction is on
 * @param sharedBytesPerBlock most dynamic shared memory of a block
 * @param pciBusId such as 0000:65:00.0
 */
record GpuProperties(
    int ordinal,
    String name,
    int computeMajor,
    int computeMinor,
    int multiprocessors,
    long totalBytes,
    long l2Bytes,
    int busBits,
    int clockKhz,
    int memoryClockKhz,
    boolean ecc,
    int sharedBytesPerBlock,
    String pciBusId) {

  /** Asks the driver. */
  static GpuProperties of(int ordinal) {
    CUdevice device = new CUdevice();
    CudaStatus.check(JCudaDriver.cuDeviceGet(device, ordinal), "cuDeviceGet");
    byte[] name = new byte[256];
    CudaStatus.check(JCudaDriver.cuDeviceGetName(name, name.length, device), "cuDeviceGetName");
    long[] bytes = new long[1];
    CudaStatus.check(JCudaDriver.cuDeviceTotalMem(bytes, device), "cuDeviceTotalMem");
    String[] bus = new String[1];
    CudaStatus.check(JCudaDriver.cuDeviceGetPCIBusId(bus, 32, device), "cuDeviceGetPCIBusId");
    return new GpuProperties(
        ordinal,
        text(name),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
        bytes[0],
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_CLOCK_RATE),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE),
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_ECC_ENABLED) != 0,
        attribute(device, CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
        bus[0]);
  }

  private static int attribute(CUdevice device, int attribute) {
    int[] value = new int[1];
    CudaStatus.check(
        JCudaDriver.cuDeviceGetAttribute(value, attribute, device),
        "cuDeviceGetAttribute of " + attribute);
    return value[0];
  }

  private static String text(byte[] zeroEnded) {
    int n = 0;
    while (n < zeroEnded.length && zeroEnded[n] != 0) {
      n++;
    }
    return new String(zeroEnded, 0, n, java.nio.charset.StandardCharsets.UTF_8);
  }

  /** 90 for compute capability 9.0. */
  int sm() {
    return 10 * computeMajor + computeMinor;
  }

  /** As NVIDIA writes it: 9.0. */
  String computeCapability() {
    return String.format(Locale.ROOT, "%d.%d", computeMajor, computeMinor);
  }
}
