package assay.units;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.testing.Draws;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class UnitsTest {
  @ParameterizedTest
  @CsvSource({
    "989.5e12, 989.5 TFLOP/s",
    "999.96e9, 1 TFLOP/s",
    "999.94e9, 999.9 GFLOP/s",
    "0, 0 FLOP/s",
    "12345, 12.35 kFLOP/s",
    "-2.5e3, -2.5 kFLOP/s",
    "1e24, 1000000 EFLOP/s"
  })
  void ratesAreReadable(double value, String expected) {
    assertEquals(expected, Quantity.format(value, "FLOP/s"));
  }

  @Test
  void sizesAreDecimalOrBinaryAndSaySo() {
    assertEquals("28 GB (26.08 GiB)", Bytes.formatBoth(28 * Bytes.GB));
    assertEquals(24_000_000_000L, Bytes.parse("24GB"));
    assertEquals(24L << 30, Bytes.parse("24 GiB"));
    assertEquals(1536L << 20, Bytes.parse("1.5gib"));
    assertEquals(4096, Bytes.parse("4096"));
    assertEquals(4096, Bytes.parse("4096 B"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"24G", "24 g", "", "GB", "-1GB", "1e30", "1 XB", "12 GB 3", "NaN"})
  void aSizeThatIsNoneIsRefused(String text) {
    assertThrows(IllegalArgumentException.class, () -> Bytes.parse(text));
  }

  @Test
  void quantitiesTakePrefixAndUnit() {
    assertEquals(3.35e12, Quantity.parse("3.35 TB/s", "B/s"), 1);
    assertEquals(3.35e12, Quantity.parse("3350G", "B/s"), 1);
    assertEquals(2e12, Quantity.parse("2e12", "FLOP/s"), 0);
    assertThrows(IllegalArgumentException.class, () -> Quantity.parse("3 XFLOP/s", "FLOP/s"));
    assertThrows(IllegalArgumentException.class, () -> Quantity.parse("fast", "FLOP/s"));
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0 s",
    "1.5e-9, 1.5 ns",
    "2.5e-4, 250 µs",
    "0.0125, 12.5 ms",
    "59, 59 s",
    "7200, 2 h",
    "864000, 10 d",
    "631152000, 20 years"
  })
  void durationsAreReadable(double seconds, String expected) {
    assertEquals(expected, Seconds.format(seconds));
  }

  static Stream<Arguments> printingAndReadingBackAgreeArguments() {
    return Draws.logarithmic(200, 1, 1e20);
  }

  /** Printing loses at most half a unit of the fourth digit, so reading back is that close. */
  @ParameterizedTest
  @MethodSource("printingAndReadingBackAgreeArguments")
  void printingAndReadingBackAgree(double value) {
    double back = Quantity.parse(Quantity.format(value, "B/s"), "B/s");
    assertTrue(Math.abs(back - value) <= value * 0.5e-3 * 1.0001, value + " became " + back);
  }
}
