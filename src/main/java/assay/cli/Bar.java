package assay.cli;

import java.util.function.LongConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * A bar on standard error, where a person sees it, for work that may take more than two seconds.
 */
final class Bar implements LongConsumer, AutoCloseable {
  private static final long QUIET_NS = 2_000_000_000L;

  private final String task;
  private final long total;
  private final long startNs = System.nanoTime();
  private @Nullable ProgressBar bar;

  Bar(String task, long total) {
    this.task = task;
    this.total = total;
  }

  @Override
  public void accept(long done) {
    if (bar == null
        && Terminal.standardErrorIsTerminal()
        && System.nanoTime() - startNs > QUIET_NS) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(total)
              .setStyle(ProgressBarStyle.ASCII)
              .build();
    }
    if (bar != null) {
      bar.stepTo(done);
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
