package assay.checkpoint;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The model that comes with Assay: 1.8 million parameters that tell little stories, a GGUF file
 * with its vocabulary among the program's resources. docs/builtin-model.md says how it was trained.
 */
public final class BuiltinModel {
  /** What the user calls it. */
  public static final String NAME = "builtin";

  /** How its stories begin. */
  public static final String PROMPT = "Once upon a time";

  private static final String RESOURCE = "/assay/builtin/builtin.gguf";

  private BuiltinModel() {}

  /**
   * The model as a file, which GGUF files are read from by mapping them: a private copy that
   * disappears when the process ends.
   */
  public static Path file() {
    try (InputStream in = BuiltinModel.class.getResourceAsStream(RESOURCE)) {
      if (in == null) {
        throw new IllegalStateException("resource " + RESOURCE + " is missing");
      }
      Path folder = Files.createTempDirectory("assay-builtin");
      Path file = folder.resolve(NAME + ".gguf");
      Files.copy(in, file);
      folder.toFile().deleteOnExit(); // in reverse order: the file goes first
      file.toFile().deleteOnExit();
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
