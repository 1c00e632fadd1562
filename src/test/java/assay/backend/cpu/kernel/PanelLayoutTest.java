package assay.backend.cpu.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.BlockFormat;
import assay.model.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class PanelLayoutTest {
  private static final int SEED = 3;

  static Stream<Arguments> matrices() {
    return Stream.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0)
        .flatMap(
            type ->
                Stream.of(1, 13, 16, 33)
                    .flatMap(
                        rows -> Stream.of(1, 2, 13, 32, 65).map(c -> Arguments.of(type, rows, c))));
  }

  /** Every byte comes back, none is written outside, and rows decode as their stored bytes do. */
  @ParameterizedTest
  @MethodSource("matrices")
  void roundTrip(DType type, int rows, int columns) {
    try (Arena arena = Arena.ofConfined()) {
      long rowBytes = type.rowBytes(columns);
      byte[] stored = new byte[(int) (rows * rowBytes)];
      new Random(SEED).nextBytes(stored);
      MemorySegment source = arena.allocateFrom(ValueLayout.JAVA_BYTE, stored);
      MemorySegment matrix = arena.allocate(stored.length + 64, 64);
      matrix.fill((byte) 0x5a);
      for (int r = rows - 1; r >= 0; r--) {
        PanelLayout.writeRow(
            type, rows, columns, matrix.address(), r, source.address() + r * rowBytes);
      }
      for (int i = 0; i < 64; i++) {
        assertEquals(0x5a, matrix.get(ValueLayout.JAVA_BYTE, stored.length + i));
      }
      MemorySegment back = arena.allocate(stored.length, 64);
      float[] want = new float[columns];
      float[] got = new float[columns];
      for (int r = 0; r < rows; r++) {
        PanelLayout.readRow(
            type, rows, columns, matrix.address(), r, back.address() + r * rowBytes);
        BlockFormat.decodeRow(type, source, r * rowBytes, columns, want, 0);
        PanelLayout.decodeRow(type, rows, columns, matrix.address(), r, got);
        for (int c = 0; c < columns; c++) {
          // Random bytes make NaNs too; 0 and −0 are equal.
          assertTrue(
              (want[c] == got[c]) || (Float.isNaN(want[c]) && Float.isNaN(got[c])), "row " + r);
        }
      }
      assertArrayEquals(stored, back.toArray(ValueLayout.JAVA_BYTE));
    }
  }

  /** A short last panel, widened, decodes like the rows it came from. */
  @ParameterizedTest
  @MethodSource("matrices")
  void widenedPanel(DType type, int rows, int columns) {
    int r = rows % PanelLayout.ROWS;
    if (r == 0) {
      return;
    }
    try (Arena arena = Arena.ofConfined()) {
      long rowBytes = type.rowBytes(columns);
      byte[] stored = new byte[(int) (r * rowBytes)];
      new Random(SEED).nextBytes(stored);
      MemorySegment source = arena.allocateFrom(ValueLayout.JAVA_BYTE, stored);
      MemorySegment panel = arena.allocate(stored.length, 64);
      for (int i = 0; i < r; i++) {
        PanelLayout.writeRow(type, r, columns, panel.address(), i, source.address() + i * rowBytes);
      }
      MemorySegment wide = arena.allocate(PanelLayout.ROWS * rowBytes, 64);
      PanelLayout.widen(type, panel.address(), r, 0, columns, wide.address());
      MemorySegment back = arena.allocate(rowBytes, 64);
      for (int i = 0; i < r; i++) {
        PanelLayout.readRow(type, 16, columns, wide.address(), i, back.address());
        assertEquals(-1, back.mismatch(source.asSlice(i * rowBytes, rowBytes)), "row " + i);
      }
    }
  }
}
