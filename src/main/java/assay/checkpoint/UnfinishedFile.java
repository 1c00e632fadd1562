package assay.checkpoint;

import assay.model.UserError;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** A file that gets its name only when it is whole; until then it is called NAME.part. */
final class UnfinishedFile implements AutoCloseable {
  private final Path path;
  private final Path unfinished;
  private final FileChannel channel;
  private boolean whole;

  UnfinishedFile(Path path) {
    this.path = path;
    this.unfinished = path.resolveSibling(path.getFileName() + ".part");
    try {
      channel =
          FileChannel.open(
              unfinished,
              StandardOpenOption.WRITE,
              StandardOpenOption.CREATE,
              StandardOpenOption.TRUNCATE_EXISTING);
    } catch (IOException e) {
      throw failed(e);
    }
  }

  void write(long position, MemorySegment bytes) {
    // A ByteBuffer holds less than 2 GiB.
    for (long done = 0; done < bytes.byteSize(); ) {
      long n = Math.min(1 << 30, bytes.byteSize() - done);
      write(position + done, bytes.asSlice(done, n).asByteBuffer());
      done += n;
    }
  }

  void write(long position, ByteBuffer bytes) {
    try {
      long at = position;
      while (bytes.hasRemaining()) {
        at += channel.write(bytes, at);
      }
    } catch (IOException e) {
      throw failed(e);
    }
  }

  private UserError failed(IOException e) {
    return new UserError(
        "%s: cannot be written: %s %s"
            .formatted(path, e.getClass().getSimpleName(), e.getMessage()));
  }

  /** Everything was written: closing gives the file its name. */
  void finish() {
    whole = true;
  }

  @Override
  public void close() {
    try {
      channel.close();
      if (whole) {
        Files.move(unfinished, path, StandardCopyOption.REPLACE_EXISTING);
      } else {
        Files.deleteIfExists(unfinished);
      }
    } catch (IOException e) {
      throw failed(e);
    }
  }
}
