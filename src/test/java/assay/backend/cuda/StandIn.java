package assay.backend.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import assay.testing.Requires;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * The stand-ins for NVIDIA's libraries (src/test/native/stand-in), built by g++ when first asked
 * for, and the driver's controls for tests: its imagined device, ordered failures, what is still
 * held.
 */
public final class StandIn {
  public static final long USUAL_BYTES = 4L << 30;
  private static final Path TARGET = Path.of("target", "stand-in");

  private static final class Built {
    static final Path FOLDER = build();
  }

  private static final class Controls {
    static final Controls INSTANCE = new Controls();
    final MethodHandle fail;
    final MethodHandle reset;
    final MethodHandle liveBytes;
    final MethodHandle liveObjects;
    final MethodHandle launches;
    final MethodHandle graphLaunches;
    final MethodHandle synchronizations;

    @SuppressWarnings("restricted")
    private Controls() {
      SymbolLookup lookup =
          SymbolLookup.libraryLookup(folder("all").resolve("libcuda.so.1"), Arena.global());
      fail = handle(lookup, "fail", FunctionDescriptor.ofVoid(ADDRESS, JAVA_INT, JAVA_INT));
      reset =
          handle(
              lookup,
              "reset",
              FunctionDescriptor.ofVoid(
                  JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
      FunctionDescriptor number = FunctionDescriptor.of(JAVA_LONG);
      liveBytes = handle(lookup, "live_bytes", number);
      liveObjects = handle(lookup, "live_objects", number);
      launches = handle(lookup, "launches", number);
      graphLaunches = handle(lookup, "graph_launches", number);
      synchronizations = handle(lookup, "synchronizations", number);
    }

    @SuppressWarnings("restricted")
    private static MethodHandle handle(SymbolLookup lookup, String name, FunctionDescriptor type) {
      return Linker.nativeLinker()
          .downcallHandle(lookup.find("stand_in_" + name).orElseThrow(), type);
    }
  }

  private StandIn() {}

  private static Path build() {
    String kernels =
        run("scripts/build-host-kernels", Path.of("target", "host-kernels").toString());
    return Path.of(run("src/test/native/stand-in/build", TARGET.toString(), kernels));
  }

  private static String run(String... command) {
    try {
      Process p =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      String out =
          new String(p.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8)
              .strip();
      if (!p.waitFor(5, TimeUnit.MINUTES) || p.exitValue() != 0) {
        throw new AssertionError(String.join(" ", command) + " failed: see standard error");
      }
      return out;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * A folder for {@code --cuda-libraries}: all, cuda13 or driver. Skips the test where there is no
   * C++ compiler.
   */
  public static Path folder(String kind) {
    Requires.tool("bash");
    Requires.tool(System.getenv().getOrDefault("CXX", "g++"));
    Requires.that(
        System.getProperty("os.arch").equals("amd64")
            && System.getProperty("os.name").equals("Linux"),
        "the host shim switches stacks on x86-64, and the natives are Linux'");
    return Built.FOLDER.resolve(kind);
  }

  /** The libraries of this JVM: the stand-ins, all of them. */
  static CudaLibraries libraries() {
    Path folder = folder("all");
    return CudaLibraries.load(
        LibrarySearch.ofHost(folder), Path.of("target", "stand-in", "natives").toAbsolutePath());
  }

  /** Loads the stand-ins as this JVM's libraries and returns their folder, for command lines. */
  public static String folderInUse() {
    CudaLibraries loaded = libraries();
    if (!loaded.isStandIn()) {
      throw new AssertionError("not a stand-in");
    }
    reset(USUAL_BYTES, 80);
    return folder("all").toString();
  }

  /** A fresh back end on a device of compute capability 8.0 with 4 GiB. */
  public static CudaBackend open() {
    reset(USUAL_BYTES, 80);
    return CudaDevices.open(libraries(), 0);
  }

  /** The same of another compute capability, such as 90. */
  public static CudaBackend open(int sm) {
    reset(USUAL_BYTES, sm);
    return CudaDevices.open(libraries(), 0);
  }

  /** Another device, from the next opening on. */
  public static void reset(long memoryBytes, int sm) {
    invoke(
        () -> {
          Controls.INSTANCE.reset.invokeExact(memoryBytes, sm / 10, sm % 10, 12_040, 1, 0);
        });
  }

  /** Orders the call after so many others of a function to return a status. */
  public static void fail(String function, int after, int status) {
    try (Arena arena = Arena.ofConfined()) {
      invoke(
          () -> {
            Controls.INSTANCE.fail.invokeExact(arena.allocateFrom(function), after, status);
          });
    }
  }

  /** Device memory that is allocated. */
  public static long liveBytes() {
    return number(Controls.INSTANCE.liveBytes);
  }

  /** Contexts, streams, events, modules, graphs, library handles and page-locked pieces. */
  public static long liveObjects() {
    return number(Controls.INSTANCE.liveObjects);
  }

  static long launches() {
    return number(Controls.INSTANCE.launches);
  }

  static long graphLaunches() {
    return number(Controls.INSTANCE.graphLaunches);
  }

  static long synchronizations() {
    return number(Controls.INSTANCE.synchronizations);
  }

  private static long number(MethodHandle h) {
    try {
      return (long) h.invokeExact();
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  private interface Call {
    void run() throws Throwable;
  }

  private static void invoke(Call call) {
    try {
      call.run();
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }
}
