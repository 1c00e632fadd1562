package assay.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.testing.Browser;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The page of {@code estimate --html} in a real browser, against the command line. */
class EstimatorPageIT {
  private static final JsonMapper MAPPER = new JsonMapper();
  private static Browser browser;
  @TempDir private static Path folder;

  @BeforeAll
  static void start() {
    browser = Browser.start();
  }

  @AfterAll
  static void stop() {
    if (browser != null) {
      browser.close();
    }
  }

  private static String run(String... args) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int code =
        Main.execute(
            Main.commandLine()
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true)),
            args);
    assertEquals(0, code, () -> List.of(args) + ": " + err);
    return out.toString();
  }

  private static void open(String... args) {
    Path page = folder.resolve("page.html");
    List<String> all = new ArrayList<>(List.of("estimate"));
    all.addAll(List.of(args));
    all.addAll(List.of("--html", page.toString()));
    run(all.toArray(String[]::new));
    browser.open(page);
  }

  /** Words of a command as a shell sees them. */
  private static List<String> words(String command) {
    Matcher m = Pattern.compile("'([^']*)'|(\\S+)").matcher(command);
    List<String> out = new ArrayList<>();
    while (m.find()) {
      out.add(m.group(1) != null ? m.group(1) : m.group(2));
    }
    return out;
  }

  /** What the page shows must be what its own command line prints. */
  private static void agrees(String change) {
    JsonNode page = browser.eval("assay.set(" + change + ")");
    assertFalse(page.has("error"), () -> change + ": " + page);
    String command = browser.eval("document.getElementById('command').textContent").asString();
    List<String> words = words(command);
    assertEquals("assay", words.getFirst());
    List<String> args = new ArrayList<>(words.subList(1, words.size()));
    args.add("--json");
    JsonNode line = MAPPER.readTree(run(args.toArray(String[]::new)));
    int numbers = same(command, page.get("estimate"), line.get("estimate"));
    assertTrue(numbers > 10, command);
    assertTrue(same(command, page.get("rules"), line.get("rules")) > 12, command);
    assertEquals(page.has("training"), line.has("training"), command);
    if (page.has("training")) {
      assertTrue(same(command, page.get("training"), line.get("training")) > 30, command);
    }
  }

  /** Compares every value of the page, numbers to 1e-9; returns how many numbers. */
  private static int same(String where, JsonNode page, JsonNode line) {
    int numbers = 0;
    if (page.isObject()) {
      for (var e : page.properties()) {
        assertTrue(line.has(e.getKey()), where + ": no " + e.getKey());
        numbers += same(where + " " + e.getKey(), e.getValue(), line.get(e.getKey()));
      }
    } else if (page.isArray()) {
      assertEquals(line.size(), page.size(), where);
      for (int i = 0; i < page.size(); i++) {
        numbers += same(where + " " + i, page.get(i), line.get(i));
      }
    } else if (page.isNumber()) {
      assertTrue(line.isNumber(), () -> where + ": " + page + " for " + line);
      double expected = line.asDouble();
      assertEquals(expected, page.asDouble(), 1e-9 * Math.abs(expected), where);
      numbers = 1;
    } else {
      assertEquals(line, page, where);
    }
    return numbers;
  }

  private static final List<String> INFERENCE =
      List.of(
          "{}",
          "{batch: 7, context: 1000}",
          "{batch: 64, precision: 'int4'}",
          "{precision: 'int8', 'kv-cache': 'fp32', generate: 13}",
          "{precision: 'fp32', context: 207, generate: 1}",
          "{precision: 'fp8', batch: 3}",
          "{precision: 'tf32', batch: 1000, context: 4098}",
          "{precision: 'fp16', 'kv-cache': 'bf16', devices: 2}");

  private static final List<String> TRAINING =
      List.of(
          "{precision: 'bf16', devices: 1, train: true, batch: 2, context: 512}",
          "{recompute: 'full', optimizer: 'sgd-momentum', dropout: true}",
          "{recompute: 'selective', 'stored-scores': true, zero: '3', devices: 8, accumulate: 4}",
          "{zero: '2', utilization: 40, tokens: 300}",
          "{lora: 16, qlora: 'int4', zero: '0', devices: 1}",
          "{'lora-targets': 'q,v,down', 'lora-alpha': 8, zero: '1', devices: 4}",
          "{qlora: 'none', 'optimizer-type': 'bf16', gradients: 'fp32', optimizer: 'adam'}",
          "{lora: 0, precision: 'fp32', optimizer: 'sgd', tensor: 2, pipeline: 2, devices: 8}");

  @ParameterizedTest
  @ValueSource(strings = {"llama-3.1-8b", "gpt2", "mistral-7b", "grok-1"})
  void everyNumberIsTheCommandLines(String model) {
    open(model, "--gpu", "H100 SXM5");
    INFERENCE.forEach(EstimatorPageIT::agrees);
    browser.eval(
        "assay.set({gpu: String([...document.querySelectorAll('#gpu option')]"
            + ".findIndex(o => o.textContent.startsWith('RTX 4090')))})");
    agrees("{precision: 'int8', devices: 1, batch: 5, context: 777}");
    TRAINING.forEach(EstimatorPageIT::agrees);
    assertEquals(List.of(), browser.errors());
  }

  /** The case that the page is made for, and options that it has no control for. */
  @Test
  void whatTheUserGaveIsWhereThePageStarts() {
    open("llama-3.1-8b", "--gpu", "H100 SXM5", "--train");
    agrees("{}");
    open(
        "llama-3.1-8b",
        "--device=cpu",
        "--peak-tflops=0.2",
        "--bandwidth=33",
        "--memory=24GiB",
        "--prompt=100",
        "--generate=7",
        "--lora=8",
        "--lora-targets=q,v",
        "--optimizer-type=fp16",
        "--precision=bf16",
        "--gradients=fp32");
    agrees("{}");
    String command = browser.eval("document.getElementById('command').textContent").asString();
    assertTrue(command.contains("--lora-targets q,v"), command);
    assertTrue(command.contains("--prompt 100"), command);
    open(
        "tiny",
        "--calibration=results/cpu-amd-epyc-zen4/calibration.json",
        "--train",
        "--precision=fp32");
    agrees("{}");
    String source = browser.eval("assay.answer().training.utilization_source").asString();
    assertTrue(source.startsWith("calibrated"), source);
  }

  /** Ranks and targets of a PEFT folder, which differ from layer to layer, cross into the page. */
  @ParameterizedTest
  @ValueSource(strings = {"llama llama-patterns", "gpt2 gpt2"})
  void anAdaptersOwnRanksAreReckonedWith(String names) {
    String[] name = names.split(" ");
    open(
        "src/test/resources/golden/" + name[0],
        "--adapter=src/test/resources/lora/" + name[1],
        "--gpu=4090",
        "--train",
        "--context=64");
    agrees("{}");
    assertEquals(
        "none",
        browser
            .eval("getComputedStyle(document.querySelector('[data-stops=lora]')).display")
            .asString());
    agrees("{devices: 2, zero: '3', qlora: 'int8'}");
    agrees("{train: false, precision: 'int4'}");
    assertEquals(List.of(), browser.errors());
  }

  /** Boxes for the targets, from the keyboard; the last one cannot be taken away. */
  @Test
  void targetsAreChosenOneByOne() {
    open("gpt2", "--gpu", "4090", "--lora", "8", "--lora-targets", "q,v");
    browser.eval("document.querySelectorAll('#lora-targets input')[2].focus()");
    browser.press(" ", 32);
    browser.await("assay.state['lora-targets'] === 'q'");
    browser.eval("document.querySelector('#lora-targets input').focus()");
    browser.press(" ", 32);
    assertEquals("q", browser.eval("assay.state['lora-targets']").asString());
    assertEquals(
        6, browser.eval("document.querySelectorAll('#lora-targets input').length").asInt());
    assertTrue(text("rules").contains("8·N"), text("rules"));
  }

  @Test
  void slidersRecomputeAndNothingIsLoaded() {
    open("tinyllama-1.1b", "--gpu", "4090");
    String before = text("memory");
    String verdict = text("verdict");
    assertTrue(verdict.contains("Fits"), verdict);
    // With the keyboard alone.
    browser.eval("document.getElementById('batch').focus()");
    for (int i = 0; i < 8; i++) {
      browser.press("ArrowRight", 39);
    }
    browser.await("document.getElementById('batch').getAttribute('aria-valuetext') === '24'");
    browser.await("document.getElementById('batch-number').value === '24'");
    assertFalse(text("memory").equals(before));
    // More than fits is said.
    browser.eval("assay.set({batch: 1024, context: 2048})");
    assertTrue(text("verdict").contains("Does not fit"), text("verdict"));
    browser.eval("assay.set({batch: 8, precision: 'bf16', train: true})");
    assertTrue(text("verdict").contains("Training does"), text("verdict"));
    browser.eval("assay.set({train: false})");
    // Several devices are judged by each one's share, and nobody calls that measured.
    browser.eval("assay.set({devices: 4})");
    assertTrue(text("verdict").contains("on 4 × RTX 4090 (4 tensor)"), text("verdict"));
    assertTrue(text("verdict").contains("not measured here"), text("verdict"));
    assertTrue(text("shared").contains("a device sends"), text("shared"));
    browser.eval("assay.set({devices: 1})");
    // Bad choices are one line, not a broken page.
    browser.eval("assay.set({batch: 1, train: true, precision: 'int4'})");
    assertTrue(text("warnings").contains("training in int4"), text("warnings"));
    browser.eval("assay.set({train: false, devices: 23})");
    assertTrue(text("warnings").contains("23 devices"), text("warnings"));
    // Plots come a moment later.
    browser.await("document.querySelectorAll('#over-batch .point').length > 5");
    assertTrue(
        browser
            .eval("document.querySelector('#over-batch .point').getAttribute('aria-label')")
            .asString()
            .contains("tokens/s"));
    assertEquals(List.of(), browser.errors());
    assertEquals(List.of(), browser.foreignRequests());
  }

  /**
   * Every control has a name, every table a caption and scopes; a phone needs no sideways scroll.
   */
  @Test
  void itCanBeUsedWithoutEyesAndOnAPhone() {
    open("gpt2", "--gpu", "H100 SXM5", "--train");
    assertEquals(
        "[]",
        browser
            .eval(
                """
                JSON.stringify([...document.querySelectorAll('input,select')]
                  .filter(e => !e.labels.length && !e.getAttribute('aria-label')).map(e => e.id))
                """)
            .asString());
    assertEquals(
        0,
        browser
            .eval(
                "[...document.querySelectorAll('table')].filter(t => t.rows.length && (!t.caption"
                    + " || !t.caption.textContent)).length")
            .asInt());
    assertEquals(0, browser.eval("document.querySelectorAll('th:not([scope])').length").asInt());
    browser.size(390, 844);
    browser.await("document.documentElement.scrollWidth <= 390");
    browser.pictures("estimate", 2000);
    browser.media("screen", "light");
    browser.size(1280, 900);
  }

  @Test
  void aHostileNameStaysText() throws Exception {
    Path model =
        Files.createDirectory(
            folder.resolve("<img src=x onerror=alert(1)></script>".replace("/", "\u2215")));
    Files.writeString(
        model.resolve("config.json"),
        """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"intermediate_size":128,
         "num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":4,"vocab_size":100,
         "max_position_embeddings":128,"rms_norm_eps":1e-5,"rope_theta":10000,"tie_word_embeddings":false}
        """);
    open(model.toString());
    assertEquals(0, browser.eval("document.querySelectorAll('img').length").asInt());
    assertTrue(text("model").contains("<img"), text("model"));
    assertEquals(List.of(), browser.errors());
  }

  private static String text(String id) {
    return browser.eval("document.getElementById('" + id + "').textContent").asString();
  }

  /** The checker itself: a page that is wrong by a billionth is found. */
  @Test
  void theComparisonCanFail() {
    JsonNode right = MAPPER.readTree("{\"a\":[1.0,{\"b\":2.0}],\"c\":null}");
    assertEquals(2, same("", right, right));
    for (String wrong :
        Arrays.asList("{\"a\":[1.0,{\"b\":2.000000003}],\"c\":null}", "{\"d\":1}")) {
      boolean failed = false;
      try {
        same("", MAPPER.readTree(wrong), right);
      } catch (AssertionError e) {
        failed = true;
      }
      assertTrue(failed, wrong);
    }
  }
}
