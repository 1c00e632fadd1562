package assay.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class WorkersTest {
  private static final long SEED = 20261122;

  /** out[i] = factor · (i + 1), a chunk per element; with places where a test can hold a helper. */
  private static class Multiples implements Workers.Revocable {
    int factor;
    int[] out = new int[0];
    private final int[] seenFactor;
    private final int[][] seenOut;
    private final int[] result;

    Multiples(int workers) {
      seenFactor = new int[workers];
      seenOut = new int[workers][];
      result = new int[workers];
    }

    void inLook(int worker) {}

    void inCompute(int worker) {}

    void inCommit(int worker) {}

    @Override
    public void look(int worker) {
      seenFactor[worker] = factor;
      inLook(worker);
      seenOut[worker] = out;
    }

    @Override
    public void compute(int chunk, int worker) {
      inCompute(worker);
      result[worker] = seenFactor[worker] * (chunk + 1);
    }

    @Override
    public void commit(int chunk, int worker) {
      inCommit(worker);
      seenOut[worker][chunk] = result[worker];
    }

    /** Runs it and checks every element. */
    void check(Workers team, int factor, int chunks) {
      this.factor = factor;
      out = new int[chunks];
      team.run(this, chunks);
      assertArrayEquals(expected(factor, chunks), out);
    }

    static int[] expected(int factor, int chunks) {
      int[] all = new int[chunks];
      for (int i = 0; i < chunks; i++) {
        all[i] = factor * (i + 1);
      }
      return all;
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5})
  void everyChunkRunsOnceWhetherHelpersSpinOrPark(int threads) {
    System.out.printf("seed %d%n", SEED);
    Random random = new Random(SEED);
    try (Workers team = new Workers(threads)) {
      Multiples multiples = new Multiples(threads);
      for (int n = 0; n < 20_000; n++) {
        int chunks = random.nextInt(5) == 0 ? 1 + random.nextInt(400) : 1 + random.nextInt(8);
        if (random.nextBoolean()) {
          multiples.check(team, n, chunks);
        } else {
          AtomicIntegerArray times = new AtomicIntegerArray(chunks);
          team.run((chunk, worker) -> times.incrementAndGet(chunk), chunks);
          for (int i = 0; i < chunks; i++) {
            assertEquals(1, times.get(i));
          }
        }
        if (random.nextInt(200) == 0) {
          LockSupport.parkNanos(random.nextInt(300_000));
        }
      }
    }
  }

  @Test
  void manyTeamsDoNotDisturbEachOther() throws InterruptedException {
    AtomicReference<Throwable> failed = new AtomicReference<>();
    List<Thread> callers = new ArrayList<>();
    for (int t = 0; t < 4; t++) {
      int first = 1000 * t;
      callers.add(
          Thread.ofPlatform()
              .start(
                  () -> {
                    try (Workers team = new Workers(3)) {
                      Multiples multiples = new Multiples(3);
                      for (int n = 0; n < 1000; n++) {
                        multiples.check(team, first + n, 1 + n % 40);
                      }
                    } catch (Throwable e) {
                      failed.set(e);
                    }
                  }));
    }
    for (Thread c : callers) {
      c.join();
    }
    assertEquals(null, failed.get());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void whatAChunkThrowsIsTheCauseAndTheTeamGoesOn(boolean revocable) {
    try (Workers team = new Workers(3)) {
      Multiples multiples = new Multiples(3);
      for (int n = 0; n < 300; n++) {
        int bad = n % 20;
        RuntimeException thrown = new RuntimeException("chunk " + bad);
        Workers.Task plain =
            (chunk, worker) -> {
              if (chunk == bad) {
                throw thrown;
              }
            };
        Workers.Task task = !revocable ? plain : new Failing(plain);
        var e = assertThrows(IllegalStateException.class, () -> team.run(task, 20));
        assertSame(thrown, e.getCause());
        multiples.check(team, n, 20);
      }
    }
  }

  private record Failing(Workers.Task inner) implements Workers.Revocable {
    @Override
    public void look(int worker) {}

    @Override
    public void compute(int chunk, int worker) {
      inner.run(chunk, worker);
    }

    @Override
    public void commit(int chunk, int worker) {}
  }

  @Test
  void aTaskWithinATaskIsRefused() {
    try (Workers team = new Workers(2)) {
      var e =
          assertThrows(
              IllegalStateException.class,
              () -> team.run((chunk, worker) -> team.run((c, w) -> {}, 2), 8));
      assertTrue(e.getCause().getMessage().contains("middle of another"), e.toString());
      new Multiples(2).check(team, 3, 50);
    }
  }

  @Test
  void closingEndsHelpersParkedOrNot() throws InterruptedException {
    for (int n = 0; n < 50; n++) {
      List<Thread> others = helpers();
      Workers team = new Workers(4);
      List<Thread> helpers = helpers().stream().filter(h -> !others.contains(h)).toList();
      assertEquals(3, helpers.size());
      new Multiples(4).check(team, n, 9);
      if (n % 2 == 0) {
        for (Thread h : helpers) {
          while (h.getState() != Thread.State.WAITING) {
            Thread.sleep(1);
          }
        }
      }
      team.close();
      helpers.forEach(h -> assertFalse(h.isAlive()));
      assertThrows(IllegalStateException.class, () -> team.run((c, w) -> {}, 2));
    }
  }

  private static List<Thread> helpers() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(t -> t.getName().startsWith("assay-worker-"))
        .toList();
  }

  // ---- helpers that do not get on

  /** Where a helper is held in its first chunk, until told to go on. */
  enum Stall {
    LOOK,
    COMPUTE,
    COMMIT
  }

  private static final class Stalling extends Multiples {
    private final Stall where;
    final CountDownLatch arrived = new CountDownLatch(1);
    final CountDownLatch goOn = new CountDownLatch(1);
    volatile int computedByHelper;

    Stalling(Stall where) {
      super(2);
      this.where = where;
    }

    @Override
    void inLook(int worker) {
      hold(Stall.LOOK, worker);
    }

    @Override
    @SuppressWarnings("NonAtomicVolatileUpdate") // one helper alone adds anything
    void inCompute(int worker) {
      // So that the helper surely gets a chunk.
      if (worker == 0) {
        await(arrived);
      }
      computedByHelper = computedByHelper + worker;
      hold(Stall.COMPUTE, worker);
    }

    @Override
    void inCommit(int worker) {
      hold(Stall.COMMIT, worker);
    }

    private void hold(Stall here, int worker) {
      if (worker == 1 && where == here) {
        arrived.countDown();
        await(goOn);
      }
    }

    private static void await(CountDownLatch latch) {
      try {
        latch.await();
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /**
   * The property that a busy neighbour tests by chance: nobody waits for a helper that is stuck.
   */
  @ParameterizedTest
  @ValueSource(strings = {"LOOK", "COMPUTE"})
  void aStuckHelperHoldsUpNothingAndSpoilsNothing(Stall where) throws InterruptedException {
    try (Workers team = new Workers(2)) {
      Stalling stuck = new Stalling(where);
      stuck.check(team, 7, 16);
      int[] first = stuck.out;
      assertEquals(1, team.revokedChunks());
      // Others of the same object and of another: what the helper knows is wrong by now.
      for (int n = 0; n < 100; n++) {
        stuck.check(team, 100 + n, 1 + n % 20);
        new Multiples(2).check(team, n, 20);
      }
      int[] last = stuck.out.clone();
      int[] lastPlace = stuck.out;
      java.util.Arrays.fill(first, -1);
      assertEquals(1, team.revokedChunks());
      Thread releasing = Thread.ofPlatform().start(team::awaitHelpers);
      assertTrue(releasing.isAlive(), "memory would be freed that the helper still reads");
      stuck.goOn.countDown();
      releasing.join();
      assertEquals(where == Stall.LOOK ? 0 : 1, stuck.computedByHelper, "acted on nonsense");
      for (int v : first) {
        assertEquals(-1, v, "the late result was written");
      }
      assertArrayEquals(last, lastPlace);
      new Multiples(2).check(team, 11, 50);
    }
  }

  /** A result that is being handed over cannot be taken back: the caller waits, and only then. */
  @Test
  void aHandOverIsAwaited() throws InterruptedException {
    try (Workers team = new Workers(2)) {
      Stalling slow = new Stalling(Stall.COMMIT);
      Thread caller = Thread.ofPlatform().start(() -> slow.check(team, 5, 16));
      slow.arrived.await();
      while (caller.getState() != Thread.State.WAITING) {
        Thread.onSpinWait();
      }
      slow.goOn.countDown();
      caller.join();
      assertArrayEquals(Multiples.expected(5, 16), slow.out);
      assertEquals(0, team.revokedChunks());
    }
  }

  /** Helpers that fall asleep anywhere, at any time. */
  @Test
  void sleepyHelpersSpoilNothing() {
    System.out.printf("seed %d%n", SEED);
    Random random = new Random(SEED);
    Multiples sleepy =
        new Multiples(4) {
          private void maybeSleep(int worker, int often) {
            // Random is safe to share.
            if (worker != 0 && random.nextInt(often) == 0) {
              LockSupport.parkNanos(random.nextInt(200_000));
            }
          }

          @Override
          void inLook(int worker) {
            maybeSleep(worker, 20);
          }

          @Override
          void inCompute(int worker) {
            maybeSleep(worker, 5);
          }

          @Override
          void inCommit(int worker) {
            maybeSleep(worker, 50);
          }
        };
    try (Workers team = new Workers(4)) {
      for (int n = 0; n < 5_000; n++) {
        sleepy.check(team, n, 2 + random.nextInt(30));
      }
      assertTrue(team.revokedChunks() > 0, "no helper was ever late: nothing was tested");
    }
  }
}
