package assay.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HostArenaTest {
  private static final Path SMAPS = Path.of("/proc/self/smaps");
  private final AtomicLong live = new AtomicLong();

  @ParameterizedTest
  @ValueSource(ints = {1, 4098, (4 << 20) - 256, 4 << 20, (9 << 20) + 13 * 256})
  void memoryIsZeroWritableToItsEndAndCounted(int bytes) {
    HostArena arena = new HostArena(MemoryCategory.WEIGHTS, bytes, live);
    assertEquals(bytes, live.get());
    assertEquals(bytes, arena.reservedBytes());
    Tensor t = arena.allocate(DType.U8, 1, bytes / 256 * 256);
    MemorySegment memory = HostBuffer.of(t);
    for (long i = 0; i < t.bytes(); i += 64) {
      assertEquals(0, memory.get(ValueLayout.JAVA_BYTE, t.offsetBytes() + i));
    }
    memory.asSlice(t.offsetBytes(), t.bytes()).fill((byte) 7);
    arena.close();
    assertEquals(0, live.get());
    assertFalse(t.buffer().isAlive());
  }

  @Test
  void largeArenasLieInHugePagesWhereTheSystemGivesThem() throws IOException {
    Assumptions.assumeTrue(
        HugePages.describe().equals("2 MiB on request"), "no huge pages: " + HugePages.describe());
    long before = hugeKibibytes();
    try (HostArena arena = new HostArena(MemoryCategory.WEIGHTS, 64 << 20, live)) {
      long address = HostBuffer.of(arena.allocate(DType.U8, 1, 256)).address();
      assertEquals(0, address % (2 << 20), "not on a boundary of 2 MiB");
      // Half: the kernel may run out of them.
      assertTrue(HugePages.hugeBytes(Files.readString(SMAPS), address) >= 32 << 20);
    }
    assertTrue(hugeKibibytes() < before + (32 << 10), "not given back");
  }

  @Test
  void theMappingOfAnAddressIsFoundInSmaps() {
    String smaps =
        """
        7f0000000000-7f0000400000 rw-p 00000000 00:00 0
        Size:               4096 kB
        AnonHugePages:      4096 kB
        7f0000400000-7f0000800000 rw-p 00000000 00:00 0                  [anon: x]
        AnonHugePages:      2048 kB
        VmFlags: rd wr mr mw me ac sd hg
        """;
    assertEquals(4 << 20, HugePages.hugeBytes(smaps, 0x7f00003fffffL));
    assertEquals(2 << 20, HugePages.hugeBytes(smaps, 0x7f0000400000L));
    assertEquals(0, HugePages.hugeBytes(smaps, 0x7f0000800000L));
  }

  private static long hugeKibibytes() throws IOException {
    return Files.readAllLines(SMAPS).stream()
        .filter(line -> line.startsWith("AnonHugePages:"))
        .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")))
        .sum();
  }
}
