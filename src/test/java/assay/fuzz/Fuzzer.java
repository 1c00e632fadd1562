package assay.fuzz;

import assay.model.UserError;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs a reader on broken files. A file may be read or refused with a {@link UserError} of one
 * short line; anything else is a finding: another exception, an error of the JVM, more than {@link
 * #MAX_SECONDS}, or more than {@link #MAX_HEAP_BYTES} allocated.
 *
 * <p>The long form: {@code java … assay.fuzz.Fuzzer TARGET SECONDS [SEED]} writes each kind of
 * finding once to {@code target/fuzz} and prints how many files were tried. The file under test is
 * on disk while it is read, so a crash of the JVM leaves it there.
 */
public final class Fuzzer {
  static final int MAX_SECONDS = 10;
  static final long MAX_HEAP_BYTES = 512L << 20;
  private static final int MAX_MESSAGE = 1000;

  private static final com.sun.management.ThreadMXBean THREADS =
      (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();

  private final Target target;
  private final Path folder;
  private long accepted;

  Fuzzer(Target target, Path folder) throws IOException {
    this.target = target;
    this.folder = Files.createDirectories(folder);
    target.prepare(folder);
  }

  /** What is wrong with how a file is treated, in a line, the cause first; null when nothing is. */
  String finding(byte[] input) throws IOException {
    Files.write(folder.resolve(target.fileName()), input);
    Thread[] worker = new Thread[1];
    ExecutorService executor =
        Executors.newSingleThreadExecutor(
            r -> {
              worker[0] = new Thread(null, r, "fuzz", 0);
              worker[0].setDaemon(true);
              return worker[0];
            });
    Future<String> result = executor.submit(this::attempt);
    try {
      for (int waited = 0; ; waited++) {
        try {
          return result.get(MAX_SECONDS, TimeUnit.SECONDS);
        } catch (TimeoutException e) {
          // On a busy machine the reader may not have had its turn.
          boolean ran = THREADS.getThreadCpuTime(worker[0].threadId()) > MAX_SECONDS * 500_000_000L;
          if (ran || waited > 30) {
            return "hangs at " + place(worker[0].getStackTrace());
          }
        }
      }
    } catch (Exception e) {
      return "fails with " + e;
    } finally {
      executor.shutdownNow();
    }
  }

  private String attempt() {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    String found = null;
    try {
      target.read(folder);
      accepted++;
    } catch (UserError e) {
      String message = String.valueOf(e.getMessage());
      if (message.lines().count() != 1) {
        found = "more than one line at " + place(e.getStackTrace()) + ": " + message;
      } else if (message.length() > MAX_MESSAGE) {
        found = "a line of " + message.length() + " characters at " + place(e.getStackTrace());
      }
    } catch (Throwable t) {
      found = t.getClass().getSimpleName() + " at " + place(t.getStackTrace()) + ": " + t;
    }
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    if (found == null && allocated > MAX_HEAP_BYTES) {
      found = "allocates too much: " + (allocated >> 20) + " MiB";
    }
    return found;
  }

  /** Files that were read to their end. */
  long accepted() {
    return accepted;
  }

  /** The first frames of ours: findings at the same place are one. */
  private static String place(StackTraceElement[] trace) {
    return Arrays.stream(trace)
        .filter(f -> f.getClassName().startsWith("assay."))
        .filter(f -> !f.getClassName().startsWith("assay.fuzz"))
        .limit(2)
        .map(f -> f.getFileName() + ":" + f.getLineNumber())
        .toList()
        .toString();
  }

  /** The long form. */
  public static void main(String[] args) throws IOException {
    Target target = Target.valueOf(args[0]);
    Duration time = Duration.ofSeconds(Long.parseLong(args[1]));
    long seed = args.length > 2 ? Long.parseLong(args[2]) : System.nanoTime();
    Path out = Files.createDirectories(Path.of("target", "fuzz"));
    Fuzzer fuzzer = new Fuzzer(target, out.resolve("work-" + target));
    List<byte[]> seeds = new ArrayList<>(target.seeds());
    Mutator mutator = new Mutator(seed, seeds, target.isText());
    Map<String, Integer> findings = new LinkedHashMap<>();
    long end = System.nanoTime() + time.toNanos();
    long tried = 0;
    for (; System.nanoTime() < end; tried++) {
      byte[] input = mutator.next();
      String found = fuzzer.finding(input);
      if (found != null) {
        String kind = found.replaceAll("(?s)\\]: .*", "]").replaceAll("\\d+ (char|MiB)", "n $1");
        if (findings.merge(kind, 1, Integer::sum) == 1) {
          Path file = out.resolve("%s-%08x.bin".formatted(target, Arrays.hashCode(input)));
          Files.write(file, input);
          System.out.println(file + ": " + found.lines().findFirst().orElse(""));
        }
      }
    }
    System.out.printf(
        "%s: %d files tried, %d read to the end, seed %d; findings: %s%n",
        target, tried, fuzzer.accepted(), seed, findings);
  }
}
