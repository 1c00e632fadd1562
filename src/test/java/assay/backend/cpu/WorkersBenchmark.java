package assay.backend.cpu;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What it costs to share a task among all cores and wait for its end: {@code scripts/jmh
 * WorkersBenchmark}. With 0 pauses per chunk the chunks are empty; compare {@code shared} with
 * {@code alone}, the same work without sharing.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 7, time = 1)
@Fork(1)
public class WorkersBenchmark {
  @Param({"2", "16"})
  public int chunks;

  /** Processor pauses in each chunk: its length. */
  @Param({"0", "100"})
  public int pauses;

  private Workers workers;
  private Workers.Task task;
  private Workers.Task revocable;

  @Setup(Level.Trial)
  public void open() {
    workers = new Workers(Runtime.getRuntime().availableProcessors());
    task = (chunk, worker) -> work();
    revocable =
        new Workers.Revocable() {
          @Override
          public void look(int worker) {}

          @Override
          public void compute(int chunk, int worker) {
            work();
          }

          @Override
          public void commit(int chunk, int worker) {}
        };
  }

  private void work() {
    for (int i = 0; i < pauses; i++) {
      Thread.onSpinWait();
    }
  }

  @Benchmark
  public void shared() {
    workers.run(task, chunks);
  }

  @Benchmark
  public void sharedRevocably() {
    workers.run(revocable, chunks);
  }

  @Benchmark
  public void alone() {
    for (int i = 0; i < chunks; i++) {
      task.run(i, 0);
    }
  }

  @TearDown(Level.Trial)
  public void close() {
    workers.close();
  }
}
