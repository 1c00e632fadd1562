package assay.backend.cpu.kernel;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.ArrayList;
import java.util.List;

/**
 * Pages that the processor may execute: mapped writable, filled, then made executable and
 * read-only, never both. Linux x86-64 only. Closing unmaps them all; no thread may be inside then.
 */
final class ExecutableMemory implements AutoCloseable {
  private static final int PROT_READ = 1;
  private static final int PROT_WRITE = 2;
  private static final int PROT_EXEC = 4;
  private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
  private static final long PAGE_BYTES = 4096;

  private final MethodHandle mmap;
  private final MethodHandle mprotect;
  private final MethodHandle munmap;
  private final List<MemorySegment> mappings = new ArrayList<>();

  ExecutableMemory() {
    ValueLayout pointer = ValueLayout.JAVA_LONG;
    ValueLayout number = ValueLayout.JAVA_INT;
    mmap =
        libc(
            "mmap",
            FunctionDescriptor.of(pointer, pointer, pointer, number, number, number, pointer));
    mprotect = libc("mprotect", FunctionDescriptor.of(number, pointer, pointer, number));
    munmap = libc("munmap", FunctionDescriptor.of(number, pointer, pointer));
  }

  @SuppressWarnings("restricted")
  private static MethodHandle libc(String name, FunctionDescriptor type) {
    Linker linker = Linker.nativeLinker();
    return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), type);
  }

  /**
   * Copies machine code to fresh pages and returns its address as a segment.
   *
   * @throws IllegalStateException when the system refuses executable memory
   */
  @SuppressWarnings("restricted")
  synchronized MemorySegment install(byte[] code) {
    long bytes = Math.ceilDiv(code.length, PAGE_BYTES) * PAGE_BYTES;
    try {
      long address =
          (long) mmap.invokeExact(0L, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
      if (address == -1) {
        throw new IllegalStateException("no memory for " + bytes + " bytes of machine code");
      }
      MemorySegment pages = MemorySegment.ofAddress(address).reinterpret(bytes);
      mappings.add(pages);
      MemorySegment.copy(code, 0, pages, ValueLayout.JAVA_BYTE, 0, code.length);
      int failed = (int) mprotect.invokeExact(address, bytes, PROT_READ | PROT_EXEC);
      if (failed != 0) {
        throw new IllegalStateException("the system refuses to make memory executable");
      }
      return pages;
    } catch (RuntimeException | Error e) {
      throw e;
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public synchronized void close() {
    for (MemorySegment pages : mappings) {
      try {
        int ignored = (int) munmap.invokeExact(pages.address(), pages.byteSize());
      } catch (Throwable e) {
        throw new IllegalStateException(e);
      }
    }
    mappings.clear();
  }
}
