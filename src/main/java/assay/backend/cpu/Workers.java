package assay.backend.cpu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A team of threads that share the chunks of one task at a time; the caller is its first member,
 * the others are helpers. Handing out work costs a few atomic operations and allocates nothing.
 *
 * <p>Who has nothing to do spins briefly, since in a decode step the next task comes within
 * microseconds, then parks. Chunks are taken one by one from a shared counter, so a helper that has
 * not woken up or does not get a processor is never waited for unless it holds a chunk. Even then
 * not, if the task is {@link Revocable}: the caller waits as long as a chunk takes, then does that
 * chunk itself, and what the helper finds later is dropped. So a busy neighbour costs its share of
 * the machine and not, at each hand-over, a time slice of the scheduler.
 */
public final class Workers implements AutoCloseable {
  /** Work in independent pieces. */
  public interface Task {
    /** Does one piece; {@code worker} is unique among those that run at the same time. */
    void run(int chunk, int worker);
  }

  /**
   * Work whose pieces the caller may do again when the helper that took one is not heard of. That
   * helper may go on long after, when the task is over and its fields are another's; hence three
   * steps. Memory that a piece reads must stay until {@link Workers#awaitHelpers}.
   */
  interface Revocable extends Task {
    /** Copies what the task is about to this worker's own place. May find nonsense: only copy. */
    void look(int worker);

    /** Does one piece from that copy, its result to this worker's own memory. */
    void compute(int chunk, int worker);

    /** Hands the result over: copies it to where it belongs. Short. */
    void commit(int chunk, int worker);

    @Override
    default void run(int chunk, int worker) {
      compute(chunk, worker);
      commit(chunk, worker);
    }
  }

  /** Most chunks of a task: half of what the ticket has bits for, since late comers count on. */
  static final int MAX_CHUNKS = (1 << 17) - 1;

  /** Most chunks of a {@link Revocable} task. */
  static final int MAX_REVOCABLE_CHUNKS = 1024;

  private static final int CHUNK_BITS = 18;
  private static final long CHUNK_MASK = (1L << CHUNK_BITS) - 1;
  private static final long SPIN_NS = 50_000;
  private static final int SPINS_PER_CLOCK = 64;

  /** Every so many tasks the caller looks how long its chunks take. */
  private static final int TIMED_EVERY = 8;

  /** What a hand-over may take on top of a chunk's time before a helper counts as late. */
  private static final long GRACE_NS = 2_000;

  // What a chunk of a revocable task has come to; above these two bits the task's number.
  private static final long OPEN = 0;
  private static final long COMMITTING = 1;
  private static final long DONE = 2;

  private static final VarHandle TICKET;
  private static final VarHandle FINISHED;
  private static final VarHandle BUSY;
  private static final VarHandle CHUNK = MethodHandles.arrayElementVarHandle(long[].class);

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      TICKET = lookup.findVarHandle(Workers.class, "ticket", long.class);
      FINISHED = lookup.findVarHandle(Workers.class, "finished", int.class);
      BUSY = lookup.findVarHandle(Workers.class, "busy", boolean.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Member[] members;
  private final long[] chunkStates = new long[MAX_REVOCABLE_CHUNKS];

  // Written by the caller before it publishes a ticket, read by whoever got a chunk with it.
  private @Nullable Task task;

  /**
   * From the lowest bit: the next chunk, how many there are, the number of the task. In one word,
   * so that a late comer never takes a chunk of another task.
   */
  @SuppressWarnings("unused") // through TICKET
  private volatile long ticket;

  /** Chunks that are finished. */
  @SuppressWarnings("unused") // through FINISHED
  private volatile int finished;

  @SuppressWarnings("unused") // through BUSY
  private volatile boolean busy;

  private volatile @Nullable Thread waitingCaller;
  private volatile @Nullable Throwable failure;
  private volatile boolean closed;

  /** What one of the caller's chunks took lately. */
  private long chunkNs;

  private long revokedChunks;

  /** A team of {@code count} threads, the caller among them. */
  public Workers(int count) {
    members = new Member[count - 1];
    for (int i = 0; i < members.length; i++) {
      members[i] = new Member(i + 1);
      members[i].start();
    }
  }

  /** Threads, the caller among them. */
  public int count() {
    return members.length + 1;
  }

  /** Chunks that the caller has done again so far, since their helpers were late. */
  long revokedChunks() {
    return revokedChunks;
  }

  /**
   * Runs chunks 0 … {@code chunks} − 1 of a task and returns when all are finished. Only ever from
   * one thread at a time, and not from within a chunk.
   *
   * @throws IllegalStateException with the cause when a chunk has thrown; the others have run
   */
  public void run(Task work, int chunks) {
    if (chunks > MAX_CHUNKS || (work instanceof Revocable && chunks > MAX_REVOCABLE_CHUNKS)) {
      throw new IllegalArgumentException(chunks + " chunks");
    }
    if (closed || !BUSY.compareAndSet(this, false, true)) {
      throw new IllegalStateException(closed ? "closed" : "in the middle of another task");
    }
    try {
      if (chunks == 1 || members.length == 0) {
        alone(work, chunks);
      } else {
        together(work, chunks);
      }
    } finally {
      busy = false;
    }
    Throwable thrown = failure;
    if (thrown != null) {
      failure = null;
      throw new IllegalStateException("a worker failed", thrown);
    }
  }

  private void alone(Task work, int chunks) {
    if (work instanceof Revocable r) {
      r.look(0);
    }
    for (int i = 0; i < chunks; i++) {
      work.run(i, 0);
    }
  }

  private void together(Task work, int chunks) {
    task = work;
    long number = (ticket >>> (2 * CHUNK_BITS)) + 1;
    Revocable revocable = work instanceof Revocable r ? r : null;
    if (revocable != null) {
      revocable.look(0);
      for (int i = 0; i < chunks; i++) {
        chunkStates[i] = state(number, OPEN);
      }
    }
    FINISHED.setOpaque(this, 0);
    // Volatile, so that a member that parks either sees the ticket or is seen parked.
    ticket = (number << (2 * CHUNK_BITS)) | ((long) chunks << CHUNK_BITS);
    for (int i = 0; i < Math.min(members.length, chunks - 1); i++) {
      members[i].wake();
    }
    if (revocable == null) {
      takeChunks(0);
      awaitFinished(chunks);
      return;
    }
    if (number % TIMED_EVERY == 0) {
      long start = System.nanoTime();
      int own = takeChunks(0);
      chunkNs = (System.nanoTime() - start) / Math.max(1, own);
    } else {
      takeChunks(0);
    }
    if (!spin(chunks, GRACE_NS + chunkNs + chunkNs / 2)) {
      revoke(revocable, chunks, number);
      awaitFinished(chunks);
    }
  }

  private static long state(long number, long what) {
    // The number as it is in a ticket, without the bits that overflow there.
    return ((number << (2 * CHUNK_BITS)) >>> (2 * CHUNK_BITS - 2)) | what;
  }

  private static long number(long ticket) {
    return ticket >>> (2 * CHUNK_BITS);
  }

  private static boolean hasChunk(long ticket) {
    return (ticket & CHUNK_MASK) < (ticket >>> CHUNK_BITS & CHUNK_MASK);
  }

  private int takeChunks(int worker) {
    int taken = 0;
    while (hasChunk((long) TICKET.getAcquire(this))) {
      long mine = (long) TICKET.getAndAdd(this, 1L);
      if (!hasChunk(mine)) {
        break;
      }
      taken++;
      int chunk = (int) (mine & CHUNK_MASK);
      Task work = task;
      if (work instanceof Revocable r) {
        if (worker != 0) {
          r.look(worker);
        }
      }
      // Late, so late that the chunk was revoked: what was just read may be another task's.
      VarHandle.acquireFence();
      if (number((long) TICKET.getAcquire(this)) != number(mine) || work == null) {
        continue;
      }
      doChunk(work, number(mine), chunk, worker);
    }
    return taken;
  }

  private void doChunk(Task work, long number, int chunk, int worker) {
    Throwable thrown = null;
    Revocable revocable = work instanceof Revocable r ? r : null;
    try {
      if (revocable != null) {
        revocable.compute(chunk, worker);
      } else {
        work.run(chunk, worker);
      }
    } catch (Throwable t) {
      thrown = t;
    }
    if (revocable != null) {
      if (!CHUNK.compareAndSet(
          chunkStates, chunk, state(number, OPEN), state(number, COMMITTING))) {
        return;
      }
      try {
        if (thrown == null) {
          revocable.commit(chunk, worker);
        }
      } catch (Throwable t) {
        thrown = t;
      }
      CHUNK.setRelease(chunkStates, chunk, state(number, DONE));
    }
    if (thrown != null) {
      failure = thrown;
    }
    FINISHED.getAndAdd(this, 1);
    Thread caller = waitingCaller;
    if (caller != null) {
      LockSupport.unpark(caller);
    }
  }

  /** Does again what late helpers hold, unless they are just handing it over. */
  private void revoke(Revocable work, int chunks, long number) {
    for (int i = 0; i < chunks; i++) {
      long open = state(number, OPEN);
      if ((long) CHUNK.getAcquire(chunkStates, i) == open
          && CHUNK.compareAndSet(chunkStates, i, open, state(number, COMMITTING))) {
        revokedChunks++;
        try {
          work.run(i, 0);
        } catch (Throwable t) {
          failure = t;
        }
        CHUNK.setRelease(chunkStates, i, state(number, DONE));
        FINISHED.getAndAdd(this, 1);
      }
    }
    // Before the fields of this task become another's: whoever copied them too late sees it.
    ticket = (number + 1) << (2 * CHUNK_BITS);
    VarHandle.fullFence();
  }

  private void awaitFinished(int chunks) {
    if (spin(chunks, SPIN_NS)) {
      return;
    }
    waitingCaller = Thread.currentThread();
    while (finished < chunks) {
      LockSupport.park(this);
    }
    waitingCaller = null;
  }

  /** Whether all chunks are finished before so much time has passed. */
  private boolean spin(int chunks, long limitNs) {
    long start = 0;
    while (true) {
      for (int i = 0; i < SPINS_PER_CLOCK; i++) {
        if ((int) FINISHED.getAcquire(this) >= chunks) {
          return true;
        }
        Thread.onSpinWait();
      }
      long now = System.nanoTime();
      if (start == 0) {
        start = now;
      } else if (now - start > limitNs) {
        return false;
      }
    }
  }

  /**
   * Waits until no helper is in a chunk any more, not even one that was revoked: memory that tasks
   * read may be freed only then.
   */
  @SuppressWarnings("ThreadPriorityCheck") // it waits for threads that have to run, on few cores
  void awaitHelpers() {
    for (Member m : members) {
      while (m.working) {
        Thread.yield();
      }
    }
  }

  /** Ends the helpers; when it returns they are gone. */
  @Override
  public void close() {
    closed = true;
    boolean interrupted = false;
    for (Member m : members) {
      LockSupport.unpark(m);
    }
    for (Member m : members) {
      while (m.isAlive()) {
        try {
          m.join();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private final class Member extends Thread {
    private final int worker;
    private volatile boolean parked;

    /** Set before it takes a chunk, cleared when it has none. */
    private volatile boolean working;

    Member(int worker) {
      super("assay-worker-" + worker);
      this.worker = worker;
      setDaemon(true);
    }

    void wake() {
      if (parked) {
        LockSupport.unpark(this);
      }
    }

    @Override
    public void run() {
      while (!closed) {
        if (spinForChunk()) {
          working = true;
          takeChunks(worker);
          working = false;
        } else {
          parked = true;
          while (!hasChunk(ticket) && !closed) {
            LockSupport.park(Workers.this);
          }
          parked = false;
        }
      }
    }

    private boolean spinForChunk() {
      long start = System.nanoTime();
      do {
        for (int i = 0; i < SPINS_PER_CLOCK; i++) {
          if (hasChunk((long) TICKET.getAcquire(Workers.this))) {
            return true;
          }
          Thread.onSpinWait();
        }
      } while (System.nanoTime() - start < SPIN_NS);
      return false;
    }
  }
}
