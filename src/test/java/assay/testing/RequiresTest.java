package assay.testing;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.opentest4j.AssertionFailedError;
import org.opentest4j.TestAbortedException;

class RequiresTest {
  /**
   * What a missing thing leads to: a skip, or a failure where .ci/run says that nothing may be
   * skipped.
   */
  private static final Class<? extends Throwable> MISSING =
      "1".equals(System.getenv("ASSAY_REQUIRE_ALL"))
          ? AssertionFailedError.class
          : TestAbortedException.class;

  @Test
  void findsWhatIsThere() {
    assertTrue(Files.isExecutable(Requires.tool("sh")));
    Requires.file(Path.of("pom.xml"));
    Requires.that(true, "nothing");
  }

  @Test
  void aMissingThingIsNeverAPass() {
    assertThrows(MISSING, () -> Requires.tool("no-such-program"));
    assertThrows(MISSING, () -> Requires.file(Path.of("no-such-file")));
    assertThrows(MISSING, () -> Requires.that(false, "needs the moon"));
  }
}
