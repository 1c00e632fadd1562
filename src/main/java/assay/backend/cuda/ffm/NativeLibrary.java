package assay.backend.cuda.ffm;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * A shared library that stays loaded for the life of the process. Once it is, later libraries that
 * need its soname are bound to it, wherever they would have looked themselves.
 */
public final class NativeLibrary {
  private final String name;
  private final SymbolLookup symbols;

  private NativeLibrary(String name, SymbolLookup symbols) {
    this.name = name;
    this.symbols = symbols;
  }

  /** The library that the linker finds under this soname. */
  @SuppressWarnings("restricted")
  public static Optional<NativeLibrary> open(String soname) {
    try {
      return Optional.of(
          new NativeLibrary(soname, SymbolLookup.libraryLookup(soname, Arena.global())));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // not on the linker's path, or something that it needs is not
    }
  }

  /** The library in this file. */
  @SuppressWarnings("restricted")
  public static Optional<NativeLibrary> open(Path file) {
    try {
      return Optional.of(
          new NativeLibrary(
              file.getFileName().toString(), SymbolLookup.libraryLookup(file, Arena.global())));
    } catch (IllegalArgumentException e) {
      return Optional.empty(); // no library for this machine, or something that it needs is missing
    }
  }

  /** The soname or file name that it was opened by. */
  public String name() {
    return name;
  }

  /** Whether it has such a function. */
  public boolean has(String symbol) {
    return symbols.find(symbol).isPresent();
  }

  /** Those of the symbols that it lacks. */
  public List<String> missing(Collection<String> wanted) {
    return wanted.stream().filter(s -> !has(s)).toList();
  }

  /** A function, if it is there. */
  @SuppressWarnings("restricted")
  public Optional<MethodHandle> function(String symbol, FunctionDescriptor descriptor) {
    return symbols
        .find(symbol)
        .map(address -> Linker.nativeLinker().downcallHandle(address, descriptor));
  }

  /**
   * A function that has been looked up before.
   *
   * @throws IllegalStateException when it is not there
   */
  public MethodHandle require(String symbol, FunctionDescriptor descriptor) {
    return function(symbol, descriptor)
        .orElseThrow(() -> new IllegalStateException(name + " has no " + symbol));
  }

  /** The file that the system really mapped for it, as far as it tells. */
  public Optional<Path> file() {
    String stem = name.replaceFirst("\\.so.*", ".so");
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
        int slash = line.indexOf('/');
        if (slash >= 0 && line.substring(line.lastIndexOf('/') + 1).startsWith(stem)) {
          return Optional.of(Path.of(line.substring(slash)));
        }
      }
    } catch (IOException e) {
      return Optional.empty(); // not Linux
    }
    return Optional.empty();
  }

  /** What a null-terminated string at this address says. */
  @SuppressWarnings("restricted")
  static String string(MemorySegment address) {
    return address.address() == 0 ? "" : address.reinterpret(4096).getString(0);
  }
}
