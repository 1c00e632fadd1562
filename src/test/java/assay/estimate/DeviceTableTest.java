package assay.estimate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.Precision;
import assay.model.UserError;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceTableTest {
  private final DeviceTable table = DeviceTable.builtIn();

  /** Claim C6: dense FP16 peaks of three cards. */
  @ParameterizedTest
  @CsvSource({"A100 80GB PCIe, 312", "A10, 125", "A800 80GB PCIe, 312"})
  void claimedPeaks(String name, double teraflops) {
    assertEquals(teraflops * 1e12, peak(table.find(name), Precision.FP16));
  }

  /**
   * An independent check of every card whose SMs and clock are in the file: an SM makes a power of
   * two dense FLOPs a clock, 512 to 4096 in fp16 and 128 or 256 in fp32. Hopper's fp32 clock is 8 %
   * above that of its tensor cores.
   */
  @Test
  void peaksAreSmTimesClock() throws IOException {
    List<String> lines;
    try (InputStream in = DeviceTable.class.getResourceAsStream("/assay/devices.csv")) {
      assertNotNull(in);
      lines = new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
    List<String> header = Csv.split(lines.getFirst());
    int checked = 0;
    for (String line : lines.subList(1, lines.size())) {
      List<String> cells = Csv.split(line);
      String name = cells.get(0);
      if (cells.get(header.indexOf("sm")).isEmpty()) {
        continue;
      }
      double perClock =
          Double.parseDouble(cells.get(header.indexOf("sm")))
              * Double.parseDouble(cells.get(header.indexOf("clock_mhz")))
              * 1e6;
      Device d = table.find(name);
      near(name + " fp16", peak(d, Precision.FP16) / perClock, 0.02, 512, 1024, 2048, 4096);
      near(name + " fp32", peak(d, Precision.FP32) / perClock, 0.09, 128, 256);
      checked++;
    }
    assertTrue(checked >= 25, checked + " cards checked");
  }

  private static void near(String what, double value, double tolerance, double... allowed) {
    assertTrue(
        DoubleStream.of(allowed).anyMatch(a -> Math.abs(value / a - 1) <= tolerance),
        what + ": " + value);
  }

  /** 8-bit arithmetic runs at 2 or 4 times the 16-bit rate, 4-bit at twice the 8-bit. */
  @Test
  void narrowerTypesAreWholeMultiples() {
    for (Device d : table.devices()) {
      if (d.name().startsWith("V100")) {
        continue; // DP4A, not tensor cores
      }
      double fp16 = peak(d, Precision.FP16);
      for (Precision p : List.of(Precision.FP8, Precision.INT8)) {
        if (d.peaks().containsKey(p)) {
          near(d.name() + " " + p, peak(d, p) / fp16, 0.02, 2, 4);
        }
      }
      if (d.peaks().containsKey(Precision.INT4)) {
        near(d.name() + " int4", peak(d, Precision.INT4) / peak(d, Precision.INT8), 0.02, 2);
      }
    }
  }

  /** What a driver reports is the nominal size in GiB, less at most 7 % for ECC. */
  @Test
  void memoryIsWhatTheDriverReports() {
    assertEquals(81_559L << 20, table.find("H100 SXM5").memoryBytes());
    for (Device d : table.devices()) {
      assertNotNull(d.memoryBytes(), d.name());
      assertNotNull(d.bandwidth(), d.name());
      assertTrue(d.bandwidth().source().length() > 10, d.name());
    }
  }

  @Test
  void cardsAreFoundByWhatPeopleCallThem() {
    assertEquals("H100 SXM5 80GB", table.find("H100 SXM5").name());
    assertEquals("H100 SXM5 80GB", table.find("h100-sxm").name());
    assertEquals("H100 SXM5 80GB", table.find("NVIDIA H100 80GB HBM3").name());
    assertEquals("RTX 4090", table.find("4090").name());
    assertEquals("L4", table.find("l4").name());
    assertEquals("A10", table.find("A10").name());
    assertNull(table.ofDriverName("NVIDIA H300"));
    assertTrue(
        assertThrows(UserError.class, () -> table.find("H100")).getMessage().contains("H100 NVL"));
    assertTrue(
        assertThrows(UserError.class, () -> table.find("Voodoo2"))
            .getMessage()
            .contains("unknown GPU 'Voodoo2'"));
    assertThrows(UserError.class, () -> table.find(""));
  }

  @Test
  void aUserAddsAndReplacesCards(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("mine.csv");
    Files.writeString(
        file,
        """
        # my cards
        name,memory_gb,bandwidth_gbs,bf16,source,derived
        Mine 1,12,500,50,"my desk, drawer 2",bf16
        L4,24,290,,,
        """);
    DeviceTable own = DeviceTable.with(file);
    Device mine = own.find("mine");
    assertEquals(12_000_000_000L, mine.memoryBytes());
    assertEquals(50e12, peak(mine, Precision.BF16));
    assertTrue(mine.peaks().get(Precision.BF16).derived());
    assertFalse(mine.bandwidth().derived());
    assertEquals("my desk, drawer 2", mine.bandwidth().source());
    assertEquals(290e9, own.find("L4").bandwidth().perSecond());
    assertTrue(own.find("L4").peaks().isEmpty());
    assertEquals(table.devices().size() + 1, own.devices().size());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "name,speed\nX,1",
        "memory_gb\n24",
        "name,memory_gb\nX,lots",
        "name,memory_gb\nX,-1",
        "name,memory_gb\nX,NaN",
        "name,memory_gb\nX",
        "name,memory_gb\n,24"
      })
  void aBadFileIsRefusedInOneLine(String content, @TempDir Path folder) throws IOException {
    Path file = folder.resolve("bad.csv");
    Files.writeString(file, content);
    UserError e = assertThrows(UserError.class, () -> DeviceTable.with(file));
    assertEquals(1, e.getMessage().lines().count());
    assertTrue(e.getMessage().contains("bad.csv"), e.getMessage());
  }

  @Test
  void aMissingFileIsSaid(@TempDir Path folder) {
    assertThrows(UserError.class, () -> DeviceTable.with(folder.resolve("none.csv")));
    assertThrows(UserError.class, () -> DeviceTable.with(folder));
  }

  private static double peak(Device d, Precision p) {
    Rate r = d.peaks().get(p);
    assertNotNull(r, d.name() + " " + p);
    return r.perSecond();
  }
}
