package assay.testing;

import assay.backend.Backend;
import assay.backend.Mark;
import assay.backend.Recording;
import assay.backend.StepState;
import assay.model.DType;
import assay.tensor.Arena;
import assay.tensor.DeviceBuffer;
import assay.tensor.HostBuffer;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/**
 * A device as the interface allows the worst one to be, around a back end that computes at once:
 * nothing runs before somebody awaits it, memory is full of NaN until it is written, the host
 * cannot touch it, and an operation that runs after its arena was closed fails. What works on it
 * respects the asynchronous contract.
 */
public final class DeferredBackend {
  /** Strided views are made from wider dense ones, which may end behind the last row. */
  private static final long SPARE_BYTES = 1 << 20;

  private final Backend inner;
  private final Queue<Runnable> queue = new ArrayDeque<>();
  private final List<List<Runnable>> recorders = new ArrayList<>();
  private int openArenas;
  private int mostQueued;

  private DeferredBackend(Backend inner) {
    this.inner = inner;
  }

  /** The device that computes with {@code inner}, late. */
  public static Backend around(Backend inner) {
    DeferredBackend device = new DeferredBackend(inner);
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class, Counts.class},
            (proxy, method, args) -> device.call(method, args == null ? new Object[0] : args));
  }

  /** What the proxy tells beside. */
  public interface Counts {
    /** Most operations that were waiting at one time. */
    int mostQueued();
  }

  private Object call(Method method, Object[] args) throws Throwable {
    return switch (method.getName()) {
      case "mostQueued" -> mostQueued;
      case "newArena" -> newArena((MemoryCategory) args[0], (long) args[1]);
      case "liveBytes" -> inner.liveBytes() - openArenas * SPARE_BYTES;
      case "weight" ->
          ((assay.tensor.TensorAllocator) args[0])
              .allocate((DType) args[1], (int) args[2], (int) args[3]);
      case "reserveWorkspace" -> null; // the inner one computes in plain loops
      case "write", "writeWeight" -> {
        Object[] later = args.clone();
        int last = args.length - 1;
        MemorySegment source = (MemorySegment) args[last];
        MemorySegment copy = java.lang.foreign.Arena.ofAuto().allocate(source.byteSize(), 64);
        copy.copyFrom(source);
        later[last] = copy;
        if (!recorders.isEmpty()) {
          throw new IllegalStateException("a transfer inside a recording");
        }
        enqueue(method, later);
        yield null;
      }
      case "read", "readWeight" -> {
        drain();
        yield invoke(method, args);
      }
      case "await" -> {
        drain();
        yield null;
      }
      case "record" -> record((Runnable) args[0]);
      case "newMark" -> new LateMark(inner.newMark());
      case "close" -> {
        drain();
        inner.close();
        yield null;
      }
      case "inputRounding" -> method.invoke(inner, args); // asks of types and shapes only
      case "equals" -> args[0] == this;
      case "hashCode" -> System.identityHashCode(this);
      case "toString" -> "deferred " + inner;
      default -> {
        if (method.getReturnType() == void.class) {
          enqueue(method, args.clone());
          yield null;
        }
        yield invoke(method, args);
      }
    };
  }

  private void enqueue(Method method, Object[] args) {
    Runnable operation =
        () -> {
          try {
            invoke(method, args);
          } catch (Throwable t) {
            throw t instanceof RuntimeException e ? e : new IllegalStateException(t);
          }
        };
    recorders.forEach(r -> r.add(operation));
    add(operation);
  }

  private void add(Runnable operation) {
    queue.add(operation);
    mostQueued = Math.max(mostQueued, queue.size());
  }

  private void drain() {
    while (!queue.isEmpty()) {
      queue.remove().run();
    }
  }

  private Object invoke(Method method, Object[] args) throws Throwable {
    Object[] own = new Object[args.length];
    for (int i = 0; i < args.length; i++) {
      own[i] = translate(args[i]);
    }
    try {
      return method.invoke(inner, own);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private static Object translate(Object arg) {
    return switch (arg) {
      case Tensor t -> innerTensor(t);
      case StepState s -> new StepState(innerTensor(s.counters()), innerTensor(s.keyStart()));
      case null -> null;
      default -> arg;
    };
  }

  private static Tensor innerTensor(Tensor t) {
    if (!(t.buffer() instanceof Far far)) {
      throw new IllegalArgumentException(t + " is not of this device");
    }
    if (t.isDense()) {
      return Tensor.rowMajor(far.memory, t.offsetBytes(), t.type(), t.rows(), t.columns())
          .scaledBy(t.scale());
    }
    int wide = Math.toIntExact(t.rowStrideBytes() / t.type().blockBytes());
    return Tensor.rowMajor(far.memory, t.offsetBytes(), t.type(), t.rows(), wide)
        .columns(0, t.columns());
  }

  /** Memory that the host cannot touch: {@link HostBuffer#of} refuses it. */
  private record Far(DeviceBuffer memory, long bytes) implements DeviceBuffer {
    @Override
    public boolean isAlive() {
      return memory.isAlive();
    }
  }

  private Arena newArena(MemoryCategory category, long capacity) {
    Arena arena = inner.newArena(category, capacity + SPARE_BYTES);
    openArenas++;
    int rows = Math.toIntExact((capacity + SPARE_BYTES) / 256);
    Tensor all = Tensor.rowMajor(bufferOf(arena), 0, DType.U8, rows, 256);
    HostBuffer.of(all).fill((byte) 0xff);
    Far far = new Far(all.buffer(), capacity);
    return new Arena() {
      private boolean open = true;

      @Override
      public MemoryCategory category() {
        return category;
      }

      @Override
      public long tensorBytes() {
        return arena.tensorBytes();
      }

      @Override
      public long reservedBytes() {
        return capacity;
      }

      @Override
      public Tensor allocate(DType type, int rows, int columns) {
        Tensor t = arena.allocate(type, rows, columns);
        return Tensor.rowMajor(far, t.offsetBytes(), type, rows, columns);
      }

      @Override
      public void close() {
        if (open) {
          open = false;
          openArenas--;
          arena.close();
        }
      }
    };
  }

  /** An arena tells its memory only through a tensor; one without bytes takes no room. */
  private static DeviceBuffer bufferOf(Arena arena) {
    return arena.allocate(DType.U8, 0, 0).buffer();
  }

  private Recording record(Runnable body) {
    List<Runnable> operations = new ArrayList<>();
    recorders.add(operations);
    try {
      body.run();
    } finally {
      recorders.remove(operations);
    }
    return new Recording() {
      @Override
      public void replay() {
        operations.forEach(DeferredBackend.this::add);
      }

      @Override
      public void close() {
        operations.clear();
      }
    };
  }

  private final class LateMark implements Mark {
    private final Mark mark;
    private boolean reached;

    LateMark(Mark mark) {
      this.mark = mark;
    }

    @Override
    public void record() {
      reached = false;
      add(
          () -> {
            mark.record();
            reached = true;
          });
    }

    @Override
    public double secondsSince(Mark earlier) {
      LateMark e = (LateMark) earlier;
      if (!reached || !e.reached) {
        throw new IllegalStateException("a mark was asked before it was reached");
      }
      return mark.secondsSince(e.mark);
    }

    @Override
    public void close() {
      mark.close();
    }
  }
}
