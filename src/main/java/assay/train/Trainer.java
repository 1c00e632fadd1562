package assay.train;

import java.util.function.Consumer;

/**
 * Updates a model step by step. What a step does depends only on the settings, the examples and the
 * state after the step before, so a run that was interrupted ends as one that was not.
 */
public final class Trainer {
  private final TrainingStep<?> step;
  private final TokenWindows examples;
  private final TrainerSettings settings;
  private int done;

  /**
   * What one step was.
   *
   * @param step counted from 1
   * @param loss mean cross-entropy in nats per token, before the update
   * @param gradientNorm before clipping
   * @param ns of the step, examples included
   */
  public record Progress(
      int step, double loss, double learningRate, double gradientNorm, long ns) {}

  /** Begins with first weights from the settings' seed. */
  public Trainer(TrainingStep<?> step, TokenWindows examples, TrainerSettings settings) {
    this.step = step;
    this.examples = examples;
    this.settings = settings;
    Initializer.initialize(step, settings.seed());
  }

  /** Goes on after {@code done} steps; the state of the step was restored by the caller. */
  public void resume(int done) {
    this.done = done;
  }

  /** Steps so far. */
  public int done() {
    return done;
  }

  /** Whether all steps are done. */
  public boolean isFinished() {
    return done >= settings.steps();
  }

  /**
   * Runs the next {@code count} steps, or as many as are left.
   *
   * @throws assay.model.UserError when the loss is no number any more
   */
  public void run(int count, Consumer<Progress> listener) {
    int end = Math.min(settings.steps(), done + count);
    while (done < end) {
      long start = System.nanoTime();
      int number = done + 1;
      TokenWindows.Batch b = examples.batch(number, step.options().batch());
      double loss = step.gradients(b.ids(), b.targets());
      if (!Double.isFinite(loss)) {
        throw new assay.model.UserError(
            assay.model.UserError.CHECK_FAILED,
            "the loss of step %d is %s: try a lower learning rate".formatted(number, loss));
      }
      double norm =
          step.update(settings.rule(step.options().optimizer(), number), settings.maxNorm());
      step.await();
      done = number;
      long ns = System.nanoTime() - start;
      listener.accept(new Progress(number, loss, settings.learningRate(number), norm, ns));
    }
  }

  /** Mean loss over {@code count} batches of other examples. */
  public double validate(TokenWindows others, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
      TokenWindows.Batch b = others.batch(i, step.options().batch());
      sum += step.loss(b.ids(), b.targets());
    }
    return sum / count;
  }
}
