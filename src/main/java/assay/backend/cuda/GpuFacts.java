package assay.backend.cuda;

import assay.backend.BackendInfo;
import assay.backend.DeviceMonitor.MemoryBooks;
import assay.backend.DeviceMonitor.Sample;
import assay.backend.DeviceMonitor.Sampling;
import assay.backend.cuda.ffm.Nvml;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/** What is known of an open device: fixed facts by name, and the books on its memory. */
final class GpuFacts {
  private final GpuProperties properties;
  private final Optional<Nvml.Device> nvml;
  private final Optional<Long> usedBefore;
  private final Map<String, String> facts = new LinkedHashMap<>();
  private @Nullable Long contextBytes;

  GpuFacts(
      CudaLibraries libraries,
      GpuProperties p,
      String cublasVersion,
      Optional<Nvml.Device> nvml,
      Optional<Long> usedBefore) {
    this.properties = p;
    this.nvml = nvml;
    this.usedBefore = usedBefore;
    facts.put("cuda", CudaLibraries.versionText(libraries.driverCudaVersion()));
    libraries.nvml().flatMap(Nvml::driverVersion).ifPresent(v -> facts.put("driver", v));
    libraries.nvml().flatMap(Nvml::version).ifPresent(v -> facts.put("nvml", v));
    facts.put("cublas", cublasVersion);
    libraries.curandVersion().ifPresent(v -> facts.put("curand", v));
    addHardware(p);
    nvml.ifPresent(this::addManaged);
    facts.putAll(libraries.facts());
    if (libraries.isStandIn()) {
      facts.put(BackendInfo.STAND_IN, "true");
    }
  }

  private void addHardware(GpuProperties p) {
    facts.put("compute_capability", p.computeCapability());
    facts.put("multiprocessors", Integer.toString(p.multiprocessors()));
    facts.put("l2_bytes", Long.toString(p.l2Bytes()));
    facts.put("memory_bus_bits", Integer.toString(p.busBits()));
    facts.put("pci_bus_id", p.pciBusId());
    facts.put("ecc", p.ecc() ? "on" : "off");
    if (p.memoryClockKhz() > 0 && p.busBits() > 0) {
      // Two transfers a clock on every memory that GPUs have had.
      double bytesPerSecond = 2.0 * p.memoryClockKhz() * 1e3 * p.busBits() / 8;
      facts.put(
          "memory_bytes_per_second_of_its_clock",
          String.format(Locale.ROOT, "%.4g", bytesPerSecond));
    }
  }

  private void addManaged(Nvml.Device d) {
    put("max_sm_clock_mhz", d.maxClockMhz(Nvml.Clock.SM));
    put("max_memory_clock_mhz", d.maxClockMhz(Nvml.Clock.MEMORY));
    OptionalInt limit = d.powerLimitMilliwatts();
    if (limit.isPresent()) {
      facts.put("power_limit_watts", String.format(Locale.ROOT, "%.1f", limit.getAsInt() * 1e-3));
    }
    d.ecc().ifPresent(on -> facts.put("ecc", on ? "on" : "off"));
    d.mig().ifPresent(on -> facts.put("mig", on ? "on" : "off"));
  }

  private void put(String name, OptionalInt value) {
    if (value.isPresent()) {
      facts.put(name, Integer.toString(value.getAsInt()));
    }
  }

  /** The card's name; never that of a card where there is none. */
  String name() {
    return properties.name();
  }

  Map<String, String> all() {
    return new LinkedHashMap<>(facts);
  }

  /** Called once everything that opening takes is there. */
  void opened(CudaMemory memory) {
    contextBytes = books(memory).overheadBytes();
  }

  MemoryBooks books(CudaMemory memory) {
    var driver = memory.driver();
    long used = nvml.flatMap(Nvml.Device::memory).map(Nvml.Memory::usedBytes).orElse(-1L);
    OptionalLong process =
        nvml.map(d -> d.processBytes(ProcessHandle.current().pid())).orElse(OptionalLong.empty());
    return new MemoryBooks(
        memory.arenaBytes(),
        memory.scratchBytes(),
        used >= 0 ? used : driver.totalBytes() - driver.freeBytes(),
        used >= 0 ? usedBefore.orElse(null) : null,
        process.isPresent() ? Long.valueOf(process.getAsLong()) : null,
        contextBytes);
  }

  @Nullable Sample look() {
    return nvml.isPresent() ? GpuSampling.look(nvml.get(), 0) : null;
  }

  @Nullable Sampling startSampling(double everySeconds) {
    return nvml.isPresent() ? new GpuSampling(nvml.get(), everySeconds) : null;
  }
}
