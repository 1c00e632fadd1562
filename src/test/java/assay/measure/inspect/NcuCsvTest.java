package assay.measure.inspect;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.UserError;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Outputs written by hand after the columns that Nsight Compute documents. */
class NcuCsvTest {
  private static final String HEADER =
      "\"ID\",\"Process ID\",\"Process Name\",\"Host Name\",\"Kernel Name\",\"Context\",\"Stream\","
          + "\"Block Size\",\"Grid Size\",\"Device\",\"CC\",\"Section Name\",\"Metric Name\","
          + "\"Metric Unit\",\"Metric Value\"\n";
  private static final String READ = "dram__bytes_read.sum";
  private static final String FMA = "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum";

  private static String line(int id, String kernel, String metric, String unit, String value) {
    return "\"%d\",\"4711\",\"java\",\"127.0.0.1\",\"%s\",\"1\",\"7\",\"(256, 1, 1)\",\"(528, 1, 1)\",\"0\",\"9.0\",\"Command line profiler metrics\",\"%s\",\"%s\",\"%s\"\n"
        .formatted(id, kernel, metric, unit, value);
  }

  private static NcuCsv.Contents parse(String text) {
    return NcuCsv.parse(text, HardwareCounters::uses);
  }

  private static double only(String unit, String value) {
    NcuCsv.Contents c = parse(HEADER + line(0, "norm_rms", READ, unit, value));
    return c.launches().getFirst().metrics().get(READ);
  }

  @Test
  void launchesInOrderWithTheirMetrics() {
    NcuCsv.Contents c =
        parse(
            "==PROF== Connected to process 4711 (/opt/assay/runtime/bin/java)\n"
                + "==PROF== Profiling \"embed\" - 0: 0%....50%....100% - 4 passes\n"
                + HEADER
                + line(0, "embed_bf16_bf16", READ, "byte", "4,194,304")
                + line(0, "embed_bf16_bf16", FMA, "inst", "0")
                + "a line of the program itself\n"
                + line(1, "void cutlass::Kernel<a, \"\"b\"\">(Params)", READ, "byte", "12")
                + line(1, "void cutlass::Kernel<a, \"\"b\"\">(Params)", FMA, "inst", "1,048,576")
                + "==PROF== Disconnected from process 4711\n");
    assertEquals(
        List.of(
            new NcuCsv.Launch("embed_bf16_bf16", Map.of(READ, 4_194_304.0, FMA, 0.0)),
            new NcuCsv.Launch(
                "void cutlass::Kernel<a, \"b\">(Params)", Map.of(READ, 12.0, FMA, 1_048_576.0))),
        c.launches());
    assertEquals(0, c.cutLaunches());
    assertEquals(List.of(), c.errors());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "byte|512|512",
        "byte|1,234|1234",
        "byte|16,777,216|16777216",
        "Kbyte|1.50|1500",
        "Kbyte|1,023.25|1023250",
        "Mbyte|16.78|16780000",
        "Gbyte|2.20|2200000000",
        "KB|3|3000",
        "Kibyte|2|2048",
        "byte|16 777 216|16777216",
        "byte|16'777'216|16777216",
        "byte|16.777.216|16777216",
        "Kbyte|1.023,25|1023250",
        "Mbyte|16,78|16780000",
        "byte|1.5e+06|1500000"
      })
  void unitsAndSeparators(String unit, String value, double expected) {
    assertEquals(expected, only(unit, value), 1e-9 * expected);
  }

  /** One value that can only be meant so decides for the file: 1.234 of the next is 1234, too. */
  @Test
  void aDecimalCommaHoldsForTheWholeFile() {
    NcuCsv.Contents c =
        parse(
            HEADER
                + line(0, "a", READ, "byte", "1.234")
                + line(1, "b", READ, "byte", "16.777.216"));
    assertEquals(1234, c.launches().getFirst().metrics().get(READ));
  }

  @Test
  void whatNcuCouldNotTakeIsAbsent() {
    NcuCsv.Contents c =
        parse(HEADER + line(0, "a", READ, "", "n/a") + line(0, "a", FMA, "inst", "(!) n/a"));
    assertEquals(List.of(new NcuCsv.Launch("a", Map.of())), c.launches());
  }

  @Test
  void aFileThatIsCutOffKeepsItsWholeLaunches() {
    String whole =
        HEADER
            + line(0, "a", READ, "byte", "1")
            + line(0, "a", FMA, "inst", "2")
            + line(1, "b", READ, "byte", "3")
            + line(1, "b", FMA, "inst", "4");
    List<NcuCsv.Launch> all = parse(whole).launches();
    assertEquals(2, all.size());
    int first = HEADER.length() + line(0, "a", READ, "byte", "1").length();
    int second = first + line(0, "a", FMA, "inst", "2").length();
    for (int end = HEADER.length(); end < whole.length() - 1; end++) {
      List<NcuCsv.Launch> found = parse(whole.substring(0, end)).launches();
      if (end == first || end == first - 1) {
        continue; // A whole line at the end: nothing tells that another metric was to come.
      }
      assertTrue(found.size() <= 1, "first " + end + " characters");
      assertTrue(all.subList(0, 1).containsAll(found), "first " + end + ": " + found);
    }
    assertEquals(1, parse(whole.substring(0, second + 40)).launches().size());
    assertEquals(1, parse(whole.substring(0, second + 40)).cutLaunches());
    assertEquals(all, parse(whole.substring(0, whole.length() - 1)).launches());
  }

  @Test
  void itsOwnReasonWhereThereAreNoLaunches() {
    NcuCsv.Contents c =
        parse(
            "==PROF== Connected to process 87374 (/opt/assay/runtime/bin/java)\n"
                + "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA"
                + " GPU Performance Counters on the target device 0.\n"
                + "==PROF== Disconnected from process 87374\n"
                + "==WARNING== No kernels were profiled.\n");
    assertEquals(List.of(), c.launches());
    assertEquals(1, c.errors().size());
    assertTrue(c.errors().getFirst().startsWith("ERR_NVGPUCTRPERM - The user"));
  }

  @Test
  void anotherPageOrAnUnknownUnitIsRefused() {
    assertThrows(
        UserError.class,
        () -> parse("\"ID\",\"Kernel Name\",\"" + READ + "\"\n\"0\",\"a\",\"1\"\n"));
    UserError unit = assertThrows(UserError.class, () -> only("furlong", "1"));
    assertTrue(unit.getMessage().contains("furlong"), unit.getMessage());
    UserError value = assertThrows(UserError.class, () -> only("byte", "many"));
    assertTrue(value.getMessage().contains("'many'"), value.getMessage());
  }

  /** A metric that nobody asked us to compare may be in any unit. */
  @Test
  void otherMetricsAreLeftAlone() {
    NcuCsv.Contents c =
        parse(
            HEADER
                + line(0, "a", "sm__throughput.avg.pct", "%", "72.3")
                + line(0, "a", READ, "byte", "1"));
    assertEquals(Map.of(READ, 1.0), c.launches().getFirst().metrics());
  }

  @Test
  void nothingAtAll() {
    assertEquals(new NcuCsv.Contents(List.of(), 0, List.of()), parse(""));
    assertEquals(new NcuCsv.Contents(List.of(), 0, List.of()), parse(HEADER));
  }
}
