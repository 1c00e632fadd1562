package assay.measure;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/**
 * What was built and from which commit.
 *
 * @param version the project's version, as in pom.xml
 * @param git the commit that the launcher found, with {@code -dirty} where sources were changed, or
 *     {@code unknown}
 */
public record BuildInfo(String version, String git) {

  /** Reads the version that the build wrote and the commit that {@code scripts/assay} passes. */
  public static BuildInfo current() {
    Properties properties = new Properties();
    try (InputStream in = BuildInfo.class.getResourceAsStream("/assay/build.properties")) {
      if (in == null) {
        throw new IllegalStateException("assay/build.properties is missing from the class path");
      }
      properties.load(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return new BuildInfo(
        properties.getProperty("version", "unknown"), System.getProperty("assay.git", "unknown"));
  }
}
