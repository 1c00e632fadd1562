package assay.cli;

import assay.measure.Progress;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/** A bar over all rows of a run, on standard error, where a person sees it. */
final class RunProgress implements Progress, AutoCloseable {
  private static final int STEPS = 100;

  private final @Nullable ProgressBar bar;
  private int row;
  private String name = "";

  RunProgress(int rows, boolean json) {
    bar =
        json || !Terminal.standardErrorIsTerminal()
            ? null
            : new ProgressBarBuilder()
                .setTaskName("measuring")
                .setInitialMax((long) rows * STEPS)
                .setStyle(ProgressBarStyle.ASCII)
                .hideEta()
                .build();
  }

  void begin(int row, String name) {
    this.row = row;
    this.name = name;
  }

  @Override
  public void at(String what, double fraction) {
    if (bar != null) {
      bar.setExtraMessage(name + ": " + what);
      bar.stepTo((long) row * STEPS + Math.round(STEPS * fraction));
    }
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
