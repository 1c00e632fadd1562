package assay.testing;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Assumptions;

/**
 * What a test needs beyond a JDK and Maven. Without it the test is skipped, visibly; where {@code
 * ASSAY_REQUIRE_ALL=1} is set, as in .ci/run, it fails instead, so that a skip never looks like a
 * pass there.
 */
public final class Requires {
  private Requires() {}

  /**
   * A program on the PATH.
   *
   * @return its path
   */
  public static Path tool(String name) {
    String path = System.getenv().getOrDefault("PATH", "");
    for (String folder : path.split(File.pathSeparator, -1)) {
      Path candidate = Path.of(folder.isEmpty() ? "." : folder, name);
      if (Files.isExecutable(candidate) && !Files.isDirectory(candidate)) {
        return candidate;
      }
    }
    throw missing("needs the program " + name);
  }

  /** A file or folder that is not part of the repository. */
  public static Path file(Path path) {
    if (Files.exists(path)) {
      return path;
    }
    throw missing("needs " + path);
  }

  /** Anything else, in words: {@code Requires.that(found, "needs a browser")}. */
  public static void that(boolean present, String need) {
    if (!present) {
      throw missing(need);
    }
  }

  private static RuntimeException missing(String need) {
    if ("1".equals(System.getenv("ASSAY_REQUIRE_ALL"))) {
      return Assertions.fail(need + " (ASSAY_REQUIRE_ALL is set)");
    }
    return Assumptions.abort(need);
  }
}
