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
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/**
 * The kernels of {@code kernels/*.cu} compiled for this machine's CPU (see {@code
 * kernels/host/shim.cpp}), as a {@link Launcher}: a launch runs to its end before the call returns.
 * Built once per test run, by g++ alone.
 */
@SuppressWarnings("restricted")
final class HostKernels implements Launcher {
  private static final Path FOLDER = Path.of("target", "host-kernels");
  private static final int MESSAGE_BYTES = 1024;

  /** The library, built when first asked for. */
  private static final class Library {
    static final Library INSTANCE = new Library();
    final MethodHandle find;
    final MethodHandle block;
    final MethodHandle parameters;
    final MethodHandle name;
    final MethodHandle launch;
    final MethodHandle conflicts;

    private Library() {
      SymbolLookup lookup = SymbolLookup.libraryLookup(build(), Arena.global());
      Linker linker = Linker.nativeLinker();
      find = handle(linker, lookup, "kernel", FunctionDescriptor.of(ADDRESS, ADDRESS));
      block = handle(linker, lookup, "block", FunctionDescriptor.of(JAVA_INT, ADDRESS));
      parameters = handle(linker, lookup, "parameters", FunctionDescriptor.of(JAVA_INT, ADDRESS));
      name = handle(linker, lookup, "name", FunctionDescriptor.of(ADDRESS, JAVA_INT));
      conflicts = handle(linker, lookup, "bank_conflicts", FunctionDescriptor.of(JAVA_LONG));
      launch =
          handle(
              linker,
              lookup,
              "launch",
              FunctionDescriptor.of(
                  JAVA_INT, ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS,
                  JAVA_INT, ADDRESS, JAVA_LONG));
    }

    private static MethodHandle handle(
        Linker linker, SymbolLookup lookup, String name, FunctionDescriptor type) {
      return linker.downcallHandle(lookup.find("assay_host_" + name).orElseThrow(), type);
    }

    private static Path build() {
      try {
        Process p =
            new ProcessBuilder("scripts/build-host-kernels", FOLDER.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
        String path = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        if (!p.waitFor(5, TimeUnit.MINUTES) || p.exitValue() != 0) {
          throw new AssertionError("the kernels do not compile for the host: see standard error");
        }
        return Path.of(path).toAbsolutePath();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      } catch (InterruptedException e) {
        throw new AssertionError(e);
      }
    }
  }

  private final Library library;
  private final int schedule;
  private final Arena memory = Arena.ofAuto();
  private final MemorySegment message = memory.allocate(MESSAGE_BYTES);
  private final MemorySegment pointers = memory.allocate(ADDRESS, KernelArgs.MAX_ARGS);

  /**
   * Kernels that run in this order of warps and lanes: 0 forward, 1 backward, else shuffled from
   * that seed. Skips the test where there is no C++ compiler.
   */
  HostKernels(int schedule) {
    Requires.tool("bash");
    Requires.tool(System.getenv().getOrDefault("CXX", "g++"));
    Requires.that(
        System.getProperty("os.arch").equals("amd64"), "the host shim switches stacks on x86-64");
    this.library = Library.INSTANCE;
    this.schedule = schedule;
  }

  /** Names of all kernels in the library. */
  Set<String> names() {
    Set<String> out = new HashSet<>();
    try {
      for (int i = 0; ; i++) {
        MemorySegment name = (MemorySegment) library.name.invokeExact(i);
        if (name.address() == 0) {
          return out;
        }
        out.add(name.reinterpret(256).getString(0));
      }
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  /** Rows read by ldmatrix so far that met another row of their matrix in a bank. */
  long bankConflicts() {
    try {
      return (long) library.conflicts.invokeExact();
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  @Override
  public long resolve(Kernel.Entry entry) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment found =
          (MemorySegment) library.find.invokeExact(arena.allocateFrom(entry.name()));
      if (found.address() == 0) {
        throw new AssertionError("no kernel " + entry.name());
      }
      int block = (int) library.block.invokeExact(found);
      int parameters = (int) library.parameters.invokeExact(found);
      if (block != entry.kernel().block() || parameters != entry.kernel().params().size()) {
        throw new AssertionError(
            "%s has blocks of %d and %d parameters, the enum says %d and %d"
                .formatted(
                    entry.name(),
                    block,
                    parameters,
                    entry.kernel().block(),
                    entry.kernel().params().size()));
      }
      return found.address();
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
  }

  @Override
  public void launch(
      Kernel.Entry entry, long handle, int gridX, int gridY, int gridZ, KernelArgs args) {
    MemorySegment slots = MemorySegment.ofBuffer(args.slots());
    for (int i = 0; i < args.count(); i++) {
      pointers.setAtIndex(ADDRESS, i, slots.asSlice(8L * i));
    }
    int failed;
    try {
      failed =
          (int)
              library.launch.invokeExact(
                  MemorySegment.ofAddress(handle),
                  gridX,
                  gridY,
                  gridZ,
                  entry.kernel().block(),
                  entry.sharedBytes(),
                  pointers,
                  schedule,
                  message,
                  (long) MESSAGE_BYTES);
    } catch (Throwable t) {
      throw new AssertionError(t);
    }
    if (failed != 0) {
      throw new AssertionError(message.getString(0));
    }
  }
}
