package assay.backend.cuda;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Map;
import jcuda.JCudaVersion;
import jcuda.LibUtils;
import jcuda.driver.JCudaDriver;
import jcuda.jcublas.JCublas2;
import jcuda.jcurand.JCurand;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * JCuda's own native libraries, loaded from a private folder of ours. JCuda would extract them to
 * the shared temporary folder under fixed names and take whatever lies there already; here they are
 * written by us and compared byte by byte before use, which is also what lets a relinked copy take
 * the place of the original.
 */
final class JcudaNatives {
  static final String DRIVER = fileName("JCudaDriver");
  static final String CUBLAS = fileName("JCublas2");
  static final String CURAND = fileName("JCurand");
  private static final String TEMP_FOLDER = "java.io.tmpdir";
  private static final Logger log = LoggerFactory.getLogger(JcudaNatives.class);
  private final Path cache;

  /** Keeps its files below {@code cache}. */
  JcudaNatives(Path cache) {
    this.cache = cache;
  }

  private static String fileName(String library) {
    return LibUtils.createLibraryFileName(
        LibUtils.createPlatformLibraryName(library + "-" + JCudaVersion.get()));
  }

  /** The user's cache folder, as the XDG base directory specification says. */
  static Path userCache(Map<String, String> environment) {
    String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
    Path base =
        xdg.startsWith("/")
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home", "/"), ".cache");
    return base.resolve("assay").resolve("natives");
  }

  /** Loads JCuda's native for the driver; libcuda must be loaded. */
  void loadDriver() {
    load(DRIVER, resource(DRIVER), "driver", () -> JCudaDriver.setExceptionsEnabled(false));
  }

  /**
   * Loads JCublas' native, bound to the cuBLAS that is loaded.
   *
   * @param major 12 or 13
   */
  void loadCublas(int major) {
    byte[] image = resource(CUBLAS);
    if (major != 12) {
      String needed = "libcublas.so." + major;
      log.debug("binding {} to {} in place of libcublas.so.12", CUBLAS, needed);
      image = new ElfImage(image).relinked("libcublas.so.12", needed);
    }
    load(CUBLAS, image, "cublas" + major, JCublas2::initialize);
    JCublas2.setExceptionsEnabled(false);
  }

  /** Loads JCurand's native; libcurand must be loaded. */
  void loadCurand() {
    load(CURAND, resource(CURAND), "curand", JCurand::initialize);
    JCurand.setExceptionsEnabled(false);
  }

  private void load(String name, byte[] image, String folder, Runnable initialize) {
    Path target = writable(folder);
    boolean temporary = !target.startsWith(cache);
    Path file = target.resolve(name);
    try {
      write(file, image);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
    String before = System.getProperty(TEMP_FOLDER, "");
    System.setProperty(TEMP_FOLDER, target.toString());
    try {
      initialize.run();
    } finally {
      System.setProperty(TEMP_FOLDER, before);
      if (temporary) {
        delete(file);
        delete(target);
      }
    }
    log.debug("{} is loaded from {}", name, target);
  }

  /** A loaded library needs its file no longer. */
  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      log.debug("{} stays: {}", file, e.toString());
    }
  }

  private static byte[] resource(String name) {
    try (InputStream in = JcudaNatives.class.getResourceAsStream("/lib/" + name)) {
      if (in == null) {
        throw new IllegalStateException("the program lacks its native library " + name);
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }

  /**
   * A folder that only this user may write; a fresh temporary one where the cache cannot be had.
   */
  private Path writable(String folder) {
    Path wanted = cache.resolve(folder);
    try {
      Files.createDirectories(wanted);
      Files.setPosixFilePermissions(wanted, PosixFilePermissions.fromString("rwx------"));
      return wanted;
    } catch (IOException | UnsupportedOperationException e) {
      log.debug("{} cannot be used: {}", wanted, e.toString());
    }
    try {
      return Files.createTempDirectory("assay-natives"); // for this user alone
    } catch (IOException e) {
      throw new UncheckedIOException(
          "no folder for native libraries: neither " + wanted + " nor a temporary one", e);
    }
  }

  /**
   * Leaves an equal file alone, since another process may be using it; replaces any other at once.
   */
  private static void write(Path file, byte[] content) throws IOException {
    if (Files.isRegularFile(file) && Arrays.equals(Files.readAllBytes(file), content)) {
      return;
    }
    Path fresh = Files.createTempFile(file.getParent(), "new", ".so");
    Files.write(fresh, content);
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }
}
