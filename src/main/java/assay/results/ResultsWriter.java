package assay.results;

import static java.nio.charset.StandardCharsets.UTF_8;

import assay.model.UserError;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
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
      expectAlone();
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

  /**
   * Opens for appending after a last line that a killed writer left unfinished is taken away; a
   * whole last line without its end is kept.
   *
   * @throws UserError when the file cannot be written
   */
  public static ResultsWriter afterCutLine(Path path) {
    try {
      if (Files.exists(path)) {
        byte[] all = Files.readAllBytes(path);
        int end = all.length;
        while (end > 0 && all[end - 1] != '\n') {
          end--;
        }
        if (end < all.length && !isRow(new String(all, end, all.length - end, UTF_8))) {
          try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
            file.truncate(end);
            file.force(true);
          }
        }
      }
    } catch (IOException e) {
      throw new UserError("cannot mend " + path + ": " + e + "; expected a writable file");
    }
    return new ResultsWriter(path);
  }

  private static boolean isRow(String line) {
    try {
      ResultsReader.parse(line);
      return true;
    } catch (UserError e) {
      return false;
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

  /** Two writers would mix their lines; where a file system knows no locks nobody can tell. */
  private void expectAlone() throws IOException {
    boolean alone;
    try {
      alone = file.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      alone = false;
    } catch (IOException e) {
      return;
    }
    if (!alone) {
      file.close();
      throw new UserError("another run is writing " + path + ": expected another folder");
    }
  }

  private void write(String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(UTF_8));
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
