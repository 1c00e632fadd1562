package assay.backend.cpu;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * A team of threads that share the chunks of one task at a time; the caller is its first member.
 * Handing out work costs a few atomic operations and allocates nothing.
 *
 * <p>Who has nothing to do spins briefly, since in a decode step the next task comes within
 * microseconds, then parks. Chunks are taken one by one, so a thread that the system puts aside
 * holds back one chunk, not half of the work; and the caller waits only for chunks that somebody
 * has taken, never for a thread that has not woken up.
 */
public final class Workers implements AutoCloseable {
  /** Work in independent pieces. */
  public interface Task {
    /** Does one piece; {@code worker} is unique among those that run at the same time. */
    void run(int chunk, int worker);
  }

  /** Most chunks of a task: the ticket has 20 bits for them. */
  static final int MAX_CHUNKS = (1 << 19) - 1;

  private static final long CHUNK_MASK = (1L << 20) - 1;
  private static final long SPIN_NS = 50_000;
  private static final int SPINS_PER_CLOCK = 64;
  private static final VarHandle TICKET;
  private static final VarHandle DONE;

  static {
    try {
      MethodHandles.Lookup lookup = MethodHandles.lookup();
      TICKET = lookup.findVarHandle(Workers.class, "ticket", long.class);
      DONE = lookup.findVarHandle(Workers.class, "done", int.class);
    } catch (ReflectiveOperationException e) {
      throw new ExceptionInInitializerError(e);
    }
  }

  private final Member[] members;

  // Written by the caller before it publishes a ticket, read by whoever got a chunk with it.
  private @Nullable Task task;

  /**
   * Bits 0–19 the next chunk, 20–39 how many there are, above them the number of the task. In one
   * word, so that a late comer never takes a chunk of another task.
   */
  @SuppressWarnings("unused") // through TICKET
  private volatile long ticket;

  /** Chunks that are finished. */
  @SuppressWarnings("unused") // through DONE
  private volatile int done;

  private volatile @Nullable Thread waitingCaller;
  private volatile @Nullable Throwable failure;
  private volatile boolean closed;

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

  /**
   * Runs chunks 0 … {@code chunks} − 1 of a task and returns when all are finished. Only ever from
   * one thread at a time.
   */
  public void run(Task work, int chunks) {
    if (chunks > MAX_CHUNKS) {
      throw new IllegalArgumentException(chunks + " chunks");
    }
    if (chunks == 1 || members.length == 0) {
      for (int i = 0; i < chunks; i++) {
        work.run(i, 0);
      }
      return;
    }
    task = work;
    DONE.setOpaque(this, 0);
    long number = (ticket >>> 40) + 1;
    // Volatile, so that a member that parks either sees the ticket or is seen parked.
    ticket = number << 40 | (long) chunks << 20;
    for (int i = 0; i < Math.min(members.length, chunks - 1); i++) {
      members[i].wake();
    }
    takeChunks(0);
    awaitDone(chunks);
    Throwable thrown = failure;
    if (thrown != null) {
      failure = null;
      throw new IllegalStateException("a worker failed", thrown);
    }
  }

  private static boolean hasChunk(long ticket) {
    return (ticket & CHUNK_MASK) < (ticket >>> 20 & CHUNK_MASK);
  }

  private void takeChunks(int worker) {
    while (hasChunk((long) TICKET.getAcquire(this))) {
      long mine = (long) TICKET.getAndAdd(this, 1L);
      if (!hasChunk(mine)) {
        return;
      }
      try {
        Task work = task;
        if (work != null) {
          work.run((int) (mine & CHUNK_MASK), worker);
        }
      } catch (Throwable t) {
        failure = t;
      } finally {
        DONE.getAndAdd(this, 1);
        Thread caller = waitingCaller;
        if (caller != null) {
          LockSupport.unpark(caller);
        }
      }
    }
  }

  private void awaitDone(int chunks) {
    if (spinUntilDone(chunks)) {
      return;
    }
    waitingCaller = Thread.currentThread();
    while (done < chunks) {
      LockSupport.park(this);
    }
    waitingCaller = null;
  }

  private boolean spinUntilDone(int chunks) {
    long start = 0;
    while (true) {
      for (int i = 0; i < SPINS_PER_CLOCK; i++) {
        if ((int) DONE.getAcquire(this) >= chunks) {
          return true;
        }
        Thread.onSpinWait();
      }
      long now = System.nanoTime();
      if (start == 0) {
        start = now;
      } else if (now - start > SPIN_NS) {
        return false;
      }
    }
  }

  @Override
  public void close() {
    closed = true;
    for (Member m : members) {
      LockSupport.unpark(m);
    }
  }

  private final class Member extends Thread {
    private final int worker;
    private volatile boolean parked;

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
          takeChunks(worker);
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
