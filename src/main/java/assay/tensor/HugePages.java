package assay.tensor;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Large blocks of memory in pages of 2 MiB where Linux gives them on request (madvise,
 * MADV_HUGEPAGE). Weights are read from end to end for each token: with pages of 4 KiB the
 * processor's prefetcher stops at every one of them and each costs a walk through the page tables.
 *
 * <p>A request, not a demand: a kernel without them, or with none left, gives small pages, and
 * other systems have no such call. {@link #describe} tries it and says which.
 */
public final class HugePages {
  /** Smaller blocks are not worth whole pages of 2 MiB. */
  static final long LEAST_BYTES = 4L << 20;

  private static final long PAGE_BYTES = 2L << 20;
  private static final int PROT_READ_WRITE = 3;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
  private static final int MADV_HUGEPAGE = 14;
  private static final int MADV_POPULATE_WRITE = 23;
  private static final Path SETTING = Path.of("/sys/kernel/mm/transparent_hugepage/enabled");
  private static final Path MAPPINGS = Path.of("/proc/self/smaps");

  private HugePages() {}

  /** The C library's functions; made at first use, and only where they mean what is meant here. */
  private static final class Libc {
    static final boolean USABLE =
        System.getProperty("os.name").equals("Linux")
            && ValueLayout.ADDRESS.byteSize() == 8
            && Files.exists(SETTING);

    static final MethodHandle MMAP =
        function(
            "mmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG));
    static final MethodHandle MUNMAP =
        function(
            "munmap",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG));
    static final MethodHandle MADVISE =
        function(
            "madvise",
            FunctionDescriptor.of(
                ValueLayout.JAVA_INT,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_LONG,
                ValueLayout.JAVA_INT));

    private Libc() {}

    @SuppressWarnings("restricted")
    private static MethodHandle function(String name, FunctionDescriptor type) {
      Linker linker = Linker.nativeLinker();
      return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
    }
  }

  /**
   * Zero-filled memory on a boundary of 2 MiB, in huge pages as far as the kernel has them, all of
   * it really there; freed with {@code owner}. Null for small blocks, on other systems, and where
   * the kernel refuses: then take memory the usual way.
   */
  static @Nullable MemorySegment allocate(long bytes, Arena owner) {
    return bytes < LEAST_BYTES || !Libc.USABLE ? null : map(bytes, owner);
  }

  @SuppressWarnings("restricted")
  private static @Nullable MemorySegment map(long bytes, Arena owner) {
    long mapped = Math.addExact(bytes, PAGE_BYTES);
    try {
      long address =
          (long) Libc.MMAP.invokeExact(0L, mapped, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
      if (address == -1) {
        return null;
      }
      MemorySegment all =
          MemorySegment.ofAddress(address).reinterpret(mapped, owner, s -> unmap(address, mapped));
      long aligned = (address + PAGE_BYTES - 1) & -PAGE_BYTES;
      MemorySegment block = all.asSlice(aligned - address, bytes);
      // Advice: where it is refused the pages are small ones, which describe() tells by itself.
      int ignored = (int) Libc.MADVISE.invokeExact(aligned, bytes, MADV_HUGEPAGE);
      // Now, lest the first passes pay for it. Kernels before 5.14 lack the call.
      int missing = (int) Libc.MADVISE.invokeExact(aligned, bytes, MADV_POPULATE_WRITE);
      if (missing != 0) {
        block.fill((byte) 0);
      }
      return block;
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  private static void unmap(long address, long bytes) {
    try {
      int ignored = (int) Libc.MUNMAP.invokeExact(address, bytes);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  /** What a block of memory gets on this system, tried on a small one. */
  public static String describe() {
    if (!Libc.USABLE) {
      return "4 KiB (no huge pages on this system)";
    }
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment block = map(LEAST_BYTES, arena);
      long huge = block == null ? 0 : hugeBytes(Files.readString(MAPPINGS), block.address());
      return huge > 0
          ? "2 MiB on request"
          : "4 KiB (huge pages asked for, not got; setting: %s)"
              .formatted(Files.readString(SETTING).strip());
    } catch (IOException e) {
      return "unknown (" + e.getMessage() + ")";
    }
  }

  /** Bytes in huge pages of the mapping that holds an address, from the text of {@code smaps}. */
  static long hugeBytes(String smaps, long address) {
    boolean inside = false;
    for (String line : (Iterable<String>) smaps.lines()::iterator) {
      int dash = line.indexOf('-');
      int space = line.indexOf(' ');
      if (dash > 0 && dash < space && line.charAt(space - 1) != ':') {
        long from = Long.parseUnsignedLong(line.substring(0, dash), 16);
        long to = Long.parseUnsignedLong(line.substring(dash + 1, space), 16);
        inside = from <= address && address < to;
      } else if (inside && line.startsWith("AnonHugePages:")) {
        return Long.parseLong(line.replaceAll("\\D", "")) << 10;
      }
    }
    return 0;
  }
}
