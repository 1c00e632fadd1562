package assay.results;

import assay.model.UserError;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Appends rows to a file, each as one write of one whole line that is on the disk when {@link
 * #append} returns, so that a killed run loses no finished row.
 */
public final class ResultsWriter implements AutoCloseable {
  private final Path path;
  private final FileChannel file;

  /**
   * Opens for appending; a last line that an earlier writer left without its end gets one, so that
   * it spoils nothing.
   *
   * @throws UserError when the file cannot be written
   */
  public ResultsWriter(Path path) {
    this.path = path;
    try {
      file =
          FileChannel.open(
              path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      long size = file.size();
      if (size > 0) {
        ByteBuffer last = ByteBuffer.allocate(1);
        file.read(last, size - 1);
        file.position(size);
        if (last.get(0) != '\n') {
          write("\n");
        }
      }
    } catch (IOException e) {
      throw new UserError(
          "cannot write results to " + path + ": " + e + "; expected a writable file");
    }
  }

  /** Writes one row and waits until it is on the disk. */
  public void append(ResultRow row) {
    try {
      write(ResultJson.line(row) + "\n");
      file.force(true);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + path, e);
    }
  }

  private void write(String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    while (bytes.hasRemaining()) {
      file.write(bytes);
    }
  }

  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot close " + path, e);
    }
  }
}
