package assay.calibrate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.Rate;
import assay.estimate.Roofline;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.model.UserError;
import assay.results.ResultRow;
import assay.results.ResultsReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Rows made from known constants and 1 % of noise: the fit has to find them again. */
class CalibratorTest {
  private static final Device DEVICE =
      new Device(
          "made up",
          DeviceKind.CPU,
          "",
          null,
          new Rate(30e9, "test", false),
          null,
          Map.of(Precision.FP32, new Rate(300e9, "test", false)),
          null,
          List.of());

  private static final Constants TRUTH =
      Constants.defaults(DeviceKind.CPU)
          .with(
              "truth",
              List.of(
                  Constant.of(Coefficient.MATMUL_EFFICIENCY, 0.62, "test"),
                  Constant.of(Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY, 0.71, "test"),
                  Constant.of(Coefficient.ATTENTION_EFFICIENCY, 0.11, "test"),
                  Constant.of(Coefficient.LAUNCH_SECONDS, 2e-5, "test")));

  private static String line(
      String id, String name, ModelConfig c, int prompt, double prefill, double decode) {
    return String.format(
        Locale.ROOT,
        """
        {"schema":1,"id":"%s","time":"2026-01-31T12:00:00Z","environment":{"device":"cpu","name":\
        "made up","host":"here","assay":"0.1"},"model":{"name":"%s","architecture":"llama",\
        "parameters":%d,"layers":%d,"hidden_size":%d,"intermediate_size":%d,"heads":%d,\
        "kv_heads":%d,"head_dim":%d,"vocabulary":%d},"precision":"fp32","workload":{"kind":\
        "inference","batch":1,"prompt_tokens":%d,"generated_tokens":8},"measured":{\
        "prefill_seconds":{"median":%s,"min":%s,"max":%s,"runs":5},\
        "decode_seconds_per_token":{"median":%s,"min":%s,"max":%s,"runs":5}},"ceilings":{\
        "peak_flops_per_second":300e9,"copy_bytes_per_second":30e9}}\
        """,
        id,
        name,
        c.parameters(),
        c.nLayers(),
        c.hiddenSize(),
        c.intermediateSize(),
        c.nHeads(),
        c.nKvHeads(),
        c.headDim(),
        c.vocabSize(),
        prompt,
        prefill,
        prefill,
        prefill,
        decode,
        decode,
        decode);
  }

  private static List<String> lines(double noise) {
    SplittableRandom random = new SplittableRandom(7);
    Roofline truth = Roofline.of(DEVICE, Precision.FP32, TRUTH);
    assertNotNull(truth);
    List<String> out = new ArrayList<>();
    for (String model : new String[] {"tiny", "smollm2-135m", "gpt2", "qwen2.5-0.5b"}) {
      ModelConfig c = Presets.byName().get(model);
      for (int prompt : new int[] {16, 128, 512, 900}) {
        ResultRow bare = ResultsReader.parse(line("x", model, c, prompt, 1, 1));
        Observation o = Observation.of(bare, DeviceKind.CPU, HostPace.USUAL);
        assertNotNull(o);
        double prefill = truth.seconds(o.prefill()) * (1 + noise * random.nextDouble(-1, 1));
        double decode = truth.seconds(o.decode()) * (1 + noise * random.nextDouble(-1, 1));
        out.add(line(model + prompt, model, c, prompt, prefill, decode));
      }
    }
    return out;
  }

  private static List<ResultRow> rows(double noise) {
    return lines(noise).stream().map(ResultsReader::parse).toList();
  }

  @Test
  void knownConstantsAreFoundAgain() {
    Calibration c = Calibrator.calibrate(rows(0.01), Set.of());
    for (Coefficient k :
        List.of(Coefficient.MATMUL_EFFICIENCY, Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY)) {
      double expected = TRUTH.value(k, Precision.FP32);
      Constant found =
          c.constants().stream().filter(x -> x.coefficient() == k).findFirst().orElseThrow();
      assertEquals(expected, found.value(), 0.05 * expected, k.label());
      assertNotNull(found.interval());
    }
    assertEquals(2, c.errors().size());
    for (Calibration.HeldOut e : c.errors()) {
      assertEquals(4, e.shapes());
      assertTrue(e.after() < 0.03, e.toString());
      assertTrue(e.after() < e.before() / 2, e.toString());
    }
  }

  /** Every row is bound by bandwidth or launches in decode: the kernel for few rows is not seen. */
  @Test
  void whatTheRowsLeaveOpenKeepsItsDefault() {
    Calibration c = Calibrator.calibrate(rows(0.01), Set.of());
    for (String key : c.open()) {
      assertTrue(c.constants().stream().noneMatch(k -> k.key().equals(key)), key);
    }
    assertTrue(c.open().contains("matvec_efficiency.fp32"), c.open().toString());
  }

  /** One row ten times too slow moves the fit by little. */
  @Test
  void anOutlierDoesNotRuleTheFit() {
    List<String> lines = new ArrayList<>(lines(0.005));
    ModelConfig c = Presets.byName().get("gpt2");
    lines.add(line("odd", "gpt2", c, 300, 60, 5));
    Calibration k =
        Calibrator.calibrate(lines.stream().map(ResultsReader::parse).toList(), Set.of("tiny"));
    double found =
        k.onTopOfDefaults().value(Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY, Precision.FP32);
    assertEquals(0.71, found, 0.10 * 0.71);
  }

  @Test
  void aFileKeepsEverything(@TempDir Path folder) throws IOException {
    Calibration c = Calibrator.calibrate(rows(0.01), Set.of());
    Path file = folder.resolve("c.json");
    CalibrationFile.write(c, file);
    Calibration back = CalibrationFile.read(file);
    for (Precision p : Precision.values()) {
      for (Coefficient k : Coefficient.values()) {
        assertEquals(c.onTopOfDefaults().value(k, p), back.onTopOfDefaults().value(k, p));
      }
    }
    assertEquals(c.errors(), back.errors());
    assertTrue(back.onTopOfDefaults().isCalibrated());
    for (String bad : new String[] {"", "{}", "[]", "{\"schema\":2}", "nonsense"}) {
      Files.writeString(file, bad);
      assertThrows(UserError.class, () -> CalibrationFile.read(file));
    }
    assertThrows(UserError.class, () -> CalibrationFile.read(folder.resolve("none.json")));
  }

  @Test
  void tooFewRowsOrMixedDevicesAreRefused() {
    List<ResultRow> rows = rows(0.01);
    assertThrows(UserError.class, () -> Calibrator.calibrate(List.of(), Set.of()));
    assertThrows(UserError.class, () -> Calibrator.calibrate(rows.subList(0, 3), Set.of()));
    List<ResultRow> mixed = new ArrayList<>(rows);
    mixed.add(ResultsReader.parse(lines(0).getFirst().replace("made up", "another")));
    assertTrue(
        assertThrows(UserError.class, () -> Calibrator.calibrate(mixed, Set.of()))
            .getMessage()
            .contains("several devices"));
  }

  /** Times of the tests' stand-in for a GPU mean nothing, whoever stored them. */
  @Test
  void rowsOfAStandInAreRefused() {
    List<ResultRow> rows = new ArrayList<>(rows(0.01));
    String line = lines(0).getFirst();
    String standIn =
        line.replaceFirst(
            "\"environment\":\\{", "\"environment\":{\"facts\":{\"stand_in\":\"true\"},");
    assertTrue(!standIn.equals(line));
    rows.add(ResultsReader.parse(standIn));
    assertTrue(
        assertThrows(UserError.class, () -> Calibrator.calibrate(rows, Set.of()))
            .getMessage()
            .startsWith("rows of a stand-in for tests"));
  }

  /** A row's facts name its shape, also where its name is no preset. */
  @Test
  void shapesAreRecognisedByTheirCount() {
    for (ModelConfig c : Presets.byName().values()) {
      if (c.nExperts() > 1) {
        continue;
      }
      ResultRow r = ResultsReader.parse(line("x", "renamed", c, 8, 1, 1));
      ModelConfig found = Shapes.of(r.model());
      assertNotNull(found, c.name());
      assertEquals(c.parameters(), found.parameters());
      assertEquals(c.gatedMlp(), found.gatedMlp(), c.name());
    }
  }

  /** A row that was timed at 0.8 of the usual pace of its host. */
  private static ResultRow paced(String line, double flops, double bytes) {
    String pace =
        String.format(
            Locale.ROOT,
            ",\"samples\":{\"pace\":[{\"arithmetic_flops_per_second\":%s,\"copy_bytes_per_second\":%s}]}}",
            flops,
            bytes);
    return ResultsReader.parse(line.substring(0, line.length() - 1) + pace);
  }

  @Test
  void aRowIsPredictedForThePaceThatItHad() {
    ModelConfig c = Presets.byName().get("tiny");
    ResultRow usual = paced(line("a", "tiny", c, 128, 1, 1), 100e9, 30e9);
    ResultRow slow = paced(line("b", "tiny", c, 128, 1, 1), 90e9, 27e9);
    HostPace.Usual medians = HostPace.Usual.of(List.of(usual, usual, slow));
    assertEquals(new HostPace.Usual(100e9, 30e9), medians);
    HostPace pace = HostPace.of(slow, medians);
    assertEquals(0.9, pace.arithmetic(), 1e-12);
    assertEquals(0.9, pace.memory(), 1e-12);
    assertTrue(pace.isUsual());
    Roofline r = Roofline.of(DEVICE, Precision.FP32, TRUTH);
    assertNotNull(r);
    Observation at = Observation.of(slow, DeviceKind.CPU, pace);
    assertNotNull(at);
    double whole = r.seconds(at.prefill());
    assertTrue(at.prefillSeconds(r) > whole * 1.02 && at.prefillSeconds(r) < whole / 0.9);
    assertEquals(whole, Observation.of(slow, DeviceKind.CPU, HostPace.USUAL).prefillSeconds(r));
  }

  @Test
  void rowsAtAnotherPaceAreNotUsed() {
    List<ResultRow> rows = new ArrayList<>();
    List<String> lines = lines(0.01);
    for (String l : lines) {
      rows.add(paced(l, 100e9, 30e9));
    }
    ModelConfig c = Presets.byName().get("tiny");
    rows.add(paced(line("neighbour", "tiny", c, 16, 5, 5), 50e9, 30e9));
    rows.add(paced(line("two chiplets", "tiny", c, 16, 5, 5), 100e9, 45e9));
    Calibration k = Calibrator.calibrate(rows, Set.of());
    assertEquals(lines.size(), k.points().get("fp32"));
    assertTrue(
        k.notes().stream().anyMatch(n -> n.startsWith("2 rows not used: the host")),
        k.notes().toString());
  }

  /** Twice the same rows, the second time 10 % slower: that is said, and what follows from it. */
  @Test
  void whatTheMachineLeavesOpenIsSaid() {
    List<ResultRow> rows = new ArrayList<>(rows(0));
    for (String model : new String[] {"tiny", "smollm2-135m", "gpt2", "qwen2.5-0.5b"}) {
      ModelConfig c = Presets.byName().get(model);
      for (int prompt : new int[] {16, 128, 512, 900}) {
        ResultRow first =
            rows.stream()
                .filter(
                    r -> r.model().name().equals(model) && r.workload().promptTokens() == prompt)
                .findFirst()
                .orElseThrow();
        double prefill = first.measured().prefillSeconds().median();
        double decode = first.measured().decodeSecondsPerToken().median();
        rows.add(
            ResultsReader.parse(
                line("again" + prompt, model, c, prompt, prefill * Math.exp(0.1), decode)));
      }
    }
    Calibration k = Calibrator.calibrate(rows, Set.of());
    assertTrue(
        k.notes().stream()
            .anyMatch(
                n ->
                    n.contains("differ by 10.0 % in prefill and 0.0 % in decode (mean of 16 pairs)")
                        && n.contains("below 7.1 and 0.0 %")),
        k.notes().toString());
  }
}
