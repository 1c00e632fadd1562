package assay.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The readers of strangers' files, on broken files: the short form of {@link Fuzzer}, and every
 * file that a long run found something with (src/test/resources/fuzz).
 */
class ReadersFuzzTest {
  private static final Path FOUND = Path.of("src/test/resources/fuzz");

  /** As many as take a second or so; {@code -Dassay.fuzz.files=N} for more. */
  private static final int FILES = Integer.getInteger("assay.fuzz.files", 250);

  private static final long SEED = Long.getLong("assay.fuzz.seed", 1);

  @TempDir Path folder;

  @ParameterizedTest
  @EnumSource
  void wholeFilesAreRead(Target target) throws IOException {
    Fuzzer fuzzer = new Fuzzer(target, folder);
    List<byte[]> seeds = target.seeds();
    for (byte[] seed : seeds) {
      assertNull(fuzzer.finding(seed));
    }
    assertEquals(seeds.size(), fuzzer.accepted(), "the mutants of a refused file show nothing");
  }

  @ParameterizedTest
  @EnumSource
  void brokenFilesAreReadOrRefusedInOneLine(Target target) throws IOException {
    Fuzzer fuzzer = new Fuzzer(target, folder);
    Mutator mutator = new Mutator(SEED, target.seeds(), target.isText());
    for (int i = 0; i < FILES; i++) {
      String found = fuzzer.finding(mutator.next());
      assertNull(found, "seed " + SEED + ", file " + i + ": " + found);
    }
    assertTrue(fuzzer.accepted() < FILES, "some are refused");
  }

  @ParameterizedTest
  @EnumSource
  void whatWasFoundStaysMended(Target target) throws IOException {
    Path found = FOUND.resolve(target.name().toLowerCase(java.util.Locale.ROOT));
    if (!Files.isDirectory(found)) {
      return;
    }
    Fuzzer fuzzer = new Fuzzer(target, folder);
    try (DirectoryStream<Path> files = Files.newDirectoryStream(found)) {
      for (Path file : files) {
        assertNull(fuzzer.finding(Files.readAllBytes(file)), file.toString());
      }
    }
  }
}
