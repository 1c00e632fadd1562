package assay.backend.cuda;

import assay.backend.cuda.ffm.NativeLibrary;
import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedSet;
import org.jspecify.annotations.Nullable;

/**
 * Where the driver's and CUDA's libraries may lie on a host: the folder that the user names, the
 * linker's own path, and the places where installers, containers and Python put them.
 */
final class LibrarySearch {
  private static final List<String> LIB_FOLDERS =
      List.of("lib64", "lib", "targets/x86_64-linux/lib", "lib/x86_64-linux-gnu");
  private final Path root;
  private final Map<String, String> environment;
  private final @Nullable Path given;
  private final boolean linker;
  private final SequencedSet<Path> folders;

  /**
   * Searches this host.
   *
   * @param given the folder of {@code --cuda-libraries}, or null
   */
  static LibrarySearch ofHost(@Nullable Path given) {
    return new LibrarySearch(Path.of("/"), System.getenv(), given, true);
  }

  /**
   * Searches a host's files below another root, for tests.
   *
   * @param environment its environment variables
   * @param linker whether the linker's own path counts: it is always that of this host
   */
  LibrarySearch(Path root, Map<String, String> environment, @Nullable Path given, boolean linker) {
    this.linker = linker;
    this.root = root;
    this.environment = environment;
    this.given = given;
    this.folders = existing();
  }

  /** The folder that the user named. */
  Optional<Path> given() {
    return Optional.ofNullable(given);
  }

  /** All folders that exist, in the order in which they are tried after the linker's path. */
  List<Path> folders() {
    return List.copyOf(folders);
  }

  /**
   * Loads the library of the first of these names that can be found: in the given folder, then by
   * the linker, then in the other folders. Within a place the names are tried in order.
   */
  Optional<NativeLibrary> open(String... sonames) {
    if (given != null) {
      Optional<NativeLibrary> library = openIn(given, sonames);
      if (library.isPresent()) {
        return library;
      }
    }
    for (String soname : linker ? sonames : new String[0]) {
      Optional<NativeLibrary> library = NativeLibrary.open(soname);
      if (library.isPresent()) {
        return library;
      }
    }
    for (Path folder : folders) {
      Optional<NativeLibrary> library = openIn(folder, sonames);
      if (library.isPresent()) {
        return library;
      }
    }
    return Optional.empty();
  }

  private static Optional<NativeLibrary> openIn(Path folder, String... sonames) {
    for (String soname : sonames) {
      Path file = folder.resolve(soname);
      if (Files.isRegularFile(file)) {
        // cuBLAS needs cuBLASLt, which lies beside it but is not always looked for there.
        Path light = folder.resolve(soname.replace("libcublas.so", "libcublasLt.so"));
        if (!light.equals(file) && Files.isRegularFile(light)) {
          NativeLibrary.open(light);
        }
        Optional<NativeLibrary> library = NativeLibrary.open(file);
        if (library.isPresent()) {
          return library;
        }
      }
    }
    return Optional.empty();
  }

  private SequencedSet<Path> existing() {
    List<Path> wanted = new ArrayList<>();
    // The linker read LD_LIBRARY_PATH when the process began; here it serves for what a library
    // needs beside it.
    for (String folder :
        environment.getOrDefault("LD_LIBRARY_PATH", "").split(File.pathSeparator, -1)) {
      if (!folder.isEmpty()) {
        wanted.add(root.resolve(relative(folder)));
      }
    }
    for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
      String home = environment.getOrDefault(variable, "");
      if (!home.isEmpty()) {
        addLibFolders(wanted, root.resolve(relative(home)));
      }
    }
    // /usr/local/cuda first: it is the link that the installer points at the version in use.
    addLibFolders(wanted, root.resolve("usr/local/cuda"));
    for (Path toolkit : matching(root.resolve("usr/local"), "cuda-*").reversed()) {
      addLibFolders(wanted, toolkit);
    }
    addLibFolders(wanted, root.resolve("usr/local/nvidia"));
    wanted.add(root.resolve("usr/lib/x86_64-linux-gnu"));
    wanted.add(root.resolve("usr/lib64"));
    wanted.add(root.resolve("usr/lib/wsl/lib"));
    wanted.add(root.resolve("run/opengl-driver/lib"));
    addWheels(wanted);
    SequencedSet<Path> out = new LinkedHashSet<>();
    wanted.stream().filter(Files::isDirectory).forEach(out::add);
    return out;
  }

  /** A host's absolute path below {@link #root}. */
  private static String relative(String absolute) {
    return absolute.startsWith("/") ? absolute.substring(1) : absolute;
  }

  private static void addLibFolders(Collection<Path> out, Path home) {
    LIB_FOLDERS.forEach(f -> out.add(home.resolve(f)));
    out.add(home);
  }

  /**
   * The folders {@code nvidia/.../lib} of NVIDIA's Python packages, in every Python that there may
   * be.
   */
  private void addWheels(Collection<Path> out) {
    List<Path> prefixes = new ArrayList<>();
    for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
      String prefix = environment.getOrDefault(variable, "");
      if (!prefix.isEmpty()) {
        prefixes.add(root.resolve(relative(prefix)));
      }
    }
    String home = environment.getOrDefault("HOME", "");
    if (!home.isEmpty()) {
      Path folder = root.resolve(relative(home));
      List.of(".local", "miniconda3", "anaconda3", ".venv", "venv")
          .forEach(f -> prefixes.add(folder.resolve(f)));
    }
    List.of("usr/local", "usr", "opt/conda", "opt/venv", "opt/miniconda3")
        .forEach(f -> prefixes.add(root.resolve(f)));
    for (Path prefix : prefixes) {
      for (Path python : matching(prefix.resolve("lib"), "python3*").reversed()) {
        for (String packages : List.of("site-packages", "dist-packages")) {
          for (Path wheel : matching(python.resolve(packages).resolve("nvidia"), "*").reversed()) {
            out.add(wheel.resolve("lib"));
          }
        }
      }
    }
  }

  /** Entries of a folder by name, in order; empty where the folder is not there. */
  private static List<Path> matching(Path folder, String glob) {
    List<Path> out = new ArrayList<>();
    if (Files.isDirectory(folder)) {
      try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder, glob)) {
        entries.forEach(out::add);
      } catch (IOException e) {
        return List.of(); // not readable for this user: nothing that could be loaded either
      }
    }
    out.sort(null);
    return out;
  }
}
