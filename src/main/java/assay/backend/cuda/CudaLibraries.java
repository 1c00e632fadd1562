package assay.backend.cuda;

import assay.backend.cuda.ffm.CublasLt;
import assay.backend.cuda.ffm.DriverCalls;
import assay.backend.cuda.ffm.NativeLibrary;
import assay.backend.cuda.ffm.Nvml;
import assay.model.UserError;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import jcuda.jcurand.JCurand;
import jcuda.jcurand.curandStatus;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The native libraries of this process: the driver's, without which there is nothing, and CUDA's,
 * each with what to do where it is missing. On a host with CUDA 13 alone JCublas' native is bound
 * to libcublas.so.13.
 */
final class CudaLibraries {
  /** CUDA 12.0: the kernels are PTX 8.0. */
  static final int OLDEST_DRIVER = 12_000;

  /** A stand-in of the tests for the driver exports this; no driver does. */
  static final String STAND_IN_SYMBOL = "assay_stand_in";

  private static final Logger log = LoggerFactory.getLogger(CudaLibraries.class);

  // A process loads a library once, from one place: that is a fact about the process, not about any
  // object in it.
  private static @Nullable CudaLibraries loaded;

  private final LibrarySearch search;
  private final NativeLibrary driver;
  private final DriverCalls calls;
  private final int driverCudaVersion;
  private final @Nullable NativeLibrary cublas;
  private final @Nullable NativeLibrary curand;
  private final @Nullable CublasLt cublasLt;
  private final @Nullable Nvml nvml;
  private final List<String> missing = new ArrayList<>();
  private final Map<String, String> facts = new TreeMap<>();

  /**
   * Loads what there is.
   *
   * @param given the folder of {@code --cuda-libraries}, or null
   * @throws CudaUnavailable when there is no usable driver
   */
  static CudaLibraries load(@Nullable Path given) {
    return load(LibrarySearch.ofHost(given), JcudaNatives.userCache(System.getenv()));
  }

  /** The same from other places, for tests. */
  static synchronized CudaLibraries load(LibrarySearch search, Path cache) {
    if (loaded == null) {
      loaded = new CudaLibraries(search, new JcudaNatives(cache));
    } else if (search.given().isPresent() && !search.given().equals(loaded.search.given())) {
      throw new UserError(
          "CUDA libraries of %s: this process has already loaded those of %s"
              .formatted(
                  search.given().get(),
                  loaded.search.given().map(Path::toString).orElse("the usual places")));
    }
    return loaded;
  }

  private CudaLibraries(LibrarySearch search, JcudaNatives natives) {
    this.search = search;
    driver =
        search
            .open("libcuda.so.1")
            .orElseThrow(
                () ->
                    new CudaUnavailable(
                        "no NVIDIA driver: libcuda.so.1 is neither on the linker's path nor in the"
                            + " usual places; install the driver, or name its folder with"
                            + " --cuda-libraries"));
    requireSymbols(driver, CudaSymbols.DRIVER);
    note("libcuda", driver);
    link(() -> natives.loadDriver());
    calls = new DriverCalls(driver);
    driverCudaVersion = startDriver();
    nvml =
        search
            .open("libnvidia-ml.so.1")
            .map(l -> note("libnvidia-ml", l))
            .flatMap(Nvml::start)
            .orElse(null);
    if (nvml == null) {
      missing.add(
          "NVML (libnvidia-ml.so.1): clocks, power, temperature and the driver's own memory figure"
              + " are not known; it comes with the driver (in a container:"
              + " NVIDIA_DRIVER_CAPABILITIES=compute,utility)");
    }
    cublas = openCublas(natives);
    cublasLt = cublas == null ? null : openCublasLt(cublas);
    curand = openCurand(natives);
  }

  private NativeLibrary note(String name, NativeLibrary library) {
    String where = library.file().map(Path::toString).orElse(library.name());
    facts.put(name, where);
    log.debug("{}: {}", name, where);
    return library;
  }

  private static void requireSymbols(NativeLibrary library, List<String> symbols) {
    List<String> absent = library.missing(symbols);
    if (!absent.isEmpty()) {
      throw new CudaUnavailable(
          "%s is too old or too new: it lacks %s; a driver for CUDA 12.0 or newer (525 or newer) is needed"
              .formatted(library.name(), String.join(", ", absent)));
    }
  }

  /** JCuda's natives may not load for reasons of the host's C library. */
  private static void link(Runnable load) {
    try {
      load.run();
    } catch (LinkageError e) {
      String reason = String.valueOf(e.getMessage()).lines().findFirst().orElse("no reason given");
      throw new CudaUnavailable("JCuda's native library cannot be loaded: " + reason);
    }
  }

  private static int startDriver() {
    int started = JCudaDriver.cuInit(0);
    if (started == CUresult.CUDA_ERROR_NO_DEVICE) {
      throw new CudaUnavailable(
          "the NVIDIA driver shows no GPU (CUDA_ERROR_NO_DEVICE in cuInit); a container has to be"
              + " given one (--gpus all)");
    }
    CudaStatus.check(started, "cuInit");
    int[] version = new int[1];
    CudaStatus.check(JCudaDriver.cuDriverGetVersion(version), "cuDriverGetVersion");
    if (version[0] < OLDEST_DRIVER) {
      throw new CudaUnavailable(
          "the NVIDIA driver is for CUDA %s: 12.0 or newer (driver 525 or newer) is needed"
              .formatted(versionText(version[0])));
    }
    return version[0];
  }

  /** 12040 is 12.4. */
  static String versionText(int version) {
    return version / 1000 + "." + version % 1000 / 10;
  }

  private @Nullable NativeLibrary openCublas(JcudaNatives natives) {
    // cuBLAS 13 needs a driver for CUDA 13; cuBLAS 12 runs on both.
    boolean newDriver = driverCudaVersion >= 13_000;
    NativeLibrary library =
        (newDriver
                ? search.open("libcublas.so.12", "libcublas.so.13")
                : search.open("libcublas.so.12"))
            .orElse(null);
    if (library == null) {
      missing.add(
          newDriver
              ? "cuBLAS: neither libcublas.so.12 nor libcublas.so.13 was found; install CUDA's"
                  + " libraries (apt install libcublas-13-0, or pip install nvidia-cublas), or"
                  + " name their folder with --cuda-libraries"
              : "cuBLAS: libcublas.so.12 was not found (libcublas.so.13 would need a newer driver);"
                  + " install CUDA 12's libraries (apt install libcublas-12-4, or pip install"
                  + " nvidia-cublas-cu12), or name their folder with --cuda-libraries");
      return null;
    }
    requireSymbols(library, CudaSymbols.CUBLAS);
    note("libcublas", library);
    int major = library.name().endsWith(".13") ? 13 : 12;
    link(() -> natives.loadCublas(major));
    return library;
  }

  private @Nullable CublasLt openCublasLt(NativeLibrary cublas) {
    String soname = cublas.name().replace("libcublas.so", "libcublasLt.so");
    CublasLt lt =
        search.open(soname).map(l -> note("libcublasLt", l)).flatMap(CublasLt::of).orElse(null);
    if (lt == null) {
      missing.add(
          "cuBLASLt ("
              + soname
              + "): fp8 products of many rows are made from bf16 copies of the weights");
    }
    return lt;
  }

  private @Nullable NativeLibrary openCurand(JcudaNatives natives) {
    NativeLibrary library = search.open("libcurand.so.10").orElse(null);
    if (library == null) {
      missing.add(
          "cuRAND (libcurand.so.10): sampling with a temperature has no random numbers, and random"
              + " weights of large models come from our own generator; apt install"
              + " libcurand-12-4, or pip install nvidia-curand-cu12, or --cuda-libraries");
      return null;
    }
    requireSymbols(library, CudaSymbols.CURAND);
    note("libcurand", library);
    link(natives::loadCurand);
    return library;
  }

  /**
   * Fails unless matrices can be multiplied.
   *
   * @throws CudaUnavailable with what to do
   */
  void requireCublas() {
    if (cublas == null) {
      throw new CudaUnavailable(
          "no " + missing.stream().filter(m -> m.startsWith("cuBLAS:")).findFirst().orElse(""));
    }
  }

  /** Fails unless the device can draw random numbers. */
  void requireCurand() {
    if (curand == null) {
      throw new CudaUnavailable(
          "no " + missing.stream().filter(m -> m.startsWith("cuRAND")).findFirst().orElse(""));
    }
  }

  /** Whether it can. */
  boolean hasCurand() {
    return curand != null;
  }

  /** cuRAND's version, such as 10.3.5 for its 10305; empty without cuRAND. */
  Optional<String> curandVersion() {
    int[] version = new int[1];
    return hasCurand() && JCurand.curandGetVersion(version) == curandStatus.CURAND_STATUS_SUCCESS
        ? Optional.of(version[0] / 1000 + "." + version[0] % 1000 / 100 + "." + version[0] % 100)
        : Optional.empty();
  }

  /** The calls of the decode loop. */
  DriverCalls calls() {
    return calls;
  }

  /** NVML, where it is. */
  Optional<Nvml> nvml() {
    return Optional.ofNullable(nvml);
  }

  /** cuBLASLt, where it is. */
  Optional<CublasLt> cublasLt() {
    return Optional.ofNullable(cublasLt);
  }

  /** Newest CUDA that the driver can run, such as 12040. */
  int driverCudaVersion() {
    return driverCudaVersion;
  }

  /** Whether this is the tests' stand-in and no driver at all. */
  boolean isStandIn() {
    return driver.has(STAND_IN_SYMBOL);
  }

  /** What was not found, what that costs, and what to do; one line each. */
  List<String> missing() {
    return List.copyOf(missing);
  }

  /** Files that were loaded, by library. */
  Map<String, String> facts() {
    return new TreeMap<>(facts);
  }
}
