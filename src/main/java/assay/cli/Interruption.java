package assay.cli;

import assay.measure.StopSignal;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ctrl-C while measuring: the measurement under way stops at the next pass, what is finished is
 * written, then the process ends with the code that the shell expects (130).
 */
final class Interruption implements StopSignal, AutoCloseable {
  /** The longest that the user waits after Ctrl-C; finished rows are on the disk in any case. */
  private static final long GRACE_SECONDS = 8;

  private final CountDownLatch finished = new CountDownLatch(1);
  private final Thread hook = new Thread(this::interrupted, "assay-interrupted");
  private volatile boolean requested;

  Interruption() {
    Runtime.getRuntime().addShutdownHook(hook);
  }

  private void interrupted() {
    requested = true;
    try {
      if (!finished.await(GRACE_SECONDS, TimeUnit.SECONDS)) {
        System.err.println("assay: stopped in the middle of a step; finished results are kept");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public boolean requested() {
    return requested;
  }

  /** Everything that is to be kept is written: the process may end. */
  @Override
  public void close() {
    finished.countDown();
    if (!requested) {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // The machine is going down just now; the hook finds the latch open.
      }
    }
  }
}
