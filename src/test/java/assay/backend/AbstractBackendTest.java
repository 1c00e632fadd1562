package assay.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.backend.reference.ReferenceBackend;
import assay.model.Activation;
import assay.model.DType;
import assay.model.NormKind;
import assay.model.Precision;
import assay.tensor.Tensor;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every operation of a back end against the reference, on awkward sizes, with guard areas and
 * poisoned outputs. Tolerances follow from the size of the terms, the precision of an fp32
 * accumulator and the rounding of the output's type.
 */
public abstract class AbstractBackendTest {
  private static final double F32 = 0x1p-24;
  protected Backend backend;
  private Lab lab;
  private Lab judge;

  /** The back end under test. */
  protected abstract Backend backend();

  /** Precision whose activation type the operations are tried with. */
  protected Precision precision() {
    return Precision.FP32;
  }

  /** Storage types of weights that this back end multiplies. */
  protected List<DType> weightTypes() {
    return List.of(DType.F32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0);
  }

  /**
   * Largest relative error (of the largest magnitude in a row of x) that the back end adds to each
   * activation before multiplying with this type; 0 where activations are used as they are, 1/254
   * where they are rounded to int8 with one scale per block.
   */
  protected double activationStep(DType weight, int rows) {
    return 0;
  }

  /** Draws of each sampling test. */
  protected int samplingDraws() {
    return 400;
  }

  private DType activationType() {
    return backend.activationType(precision());
  }

  private double outputStep() {
    return switch (activationType()) {
      case BF16 -> 0x1p-8;
      case F16 -> 0x1p-11;
      default -> F32;
    };
  }

  @BeforeEach
  void open() {
    backend = backend();
    lab = new Lab(backend);
    judge = new Lab(new ReferenceBackend());
  }

  @AfterEach
  void close() {
    lab.close();
    judge.close();
    assertEquals(0, backend.liveBytes());
    backend.close();
  }

  /**
   * Runs the same on both and compares what it returns, element by element against its own bound.
   */
  private void both(String what, Function<Lab, Tensor> run, double relative, double absolute) {
    float[] expected = judge.read(run.apply(judge));
    float[] actual = lab.read(run.apply(lab));
    assertEquals(expected.length, actual.length);
    for (int i = 0; i < expected.length; i++) {
      double bound = Math.abs(expected[i]) * relative + absolute;
      if (!(Math.abs((double) actual[i] - expected[i]) <= bound)
          && !(Float.isNaN(actual[i]) && Float.isNaN(expected[i]))) {
        throw new AssertionError(
            "%s: element %d is %s, expected %s within %.3g"
                .formatted(what, i, actual[i], expected[i], bound));
      }
    }
  }

  private Tensor activations(Lab on, long seed, int rows, int columns) {
    return on.floats(activationType(), rows, columns, Lab.random(seed, rows * columns));
  }

  static List<Arguments> shapes() {
    List<Arguments> out = new ArrayList<>();
    int[][] shapes = {
      {1, 1, 1},
      {1, 13, 207},
      {1, 207, 4098},
      {2, 64, 172},
      {3, 100, 96},
      {7, 33, 288},
      {13, 207, 64},
      {40, 321, 172},
      {128, 96, 256},
      {13, 33, 4098},
      {1, 768, 768},
      {5, 4098, 32}
    };
    for (int[] s : shapes) {
      out.add(Arguments.of(s[0], s[1], s[2]));
    }
    return out;
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void matmul(int rows, int outputs, int inputs) {
    float[] values = Lab.random(2, outputs * inputs);
    for (DType type : weightTypes()) {
      IdentityHashMap<Lab, Tensor> weights = new IdentityHashMap<>();
      for (Lab on : List.of(judge, lab)) {
        weights.put(on, on.weight(type, outputs, inputs, values));
      }
      for (boolean accumulate : new boolean[] {false, true}) {
        double terms = Math.sqrt(inputs);
        // Worst over the output of a sum of `inputs` products of normals: inputs · u times the sum
        // of
        // magnitudes (0.64 on average) bounds any order of fp32 summation; the quantised
        // activations add their own step, about 4 sigma being the largest magnitude in a row.
        double sums = inputs * 0.64;
        double absolute =
            (inputs + 2) * F32 * sums
                + activationStep(type, rows) * 5 * terms * 5
                + outputStep() * terms * 5;
        both(
            type + " " + rows + "x" + outputs + "x" + inputs,
            on -> {
              Tensor x = activations(on, 1, rows, inputs + 3).columns(2, inputs);
              Tensor w = weights.get(on);
              float[] before = accumulate ? Lab.random(3, rows * (outputs + 5)) : null;
              Tensor out =
                  before == null
                      ? on.poisoned(activationType(), rows, outputs + 5)
                      : on.floats(activationType(), rows, outputs + 5, before);
              on.backend().matmul(x, w, out.columns(4, outputs), accumulate);
              on.backend().await();
              return out.columns(4, outputs);
            },
            outputStep(),
            absolute);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void weightsReadBackAsWritten(int rows, int outputs, int inputs) {
    float[] values = Lab.random(5, outputs * inputs);
    for (DType type : weightTypes()) {
      byte[] expected = judge.weightBytes(judge.weight(type, outputs, inputs, values));
      assertArrayEquals(
          expected, lab.weightBytes(lab.weight(type, outputs, inputs, values)), type.toString());
    }
  }

  @Test
  void embed() {
    for (DType type : weightTypes()) {
      both(
          "embed " + type,
          on -> {
            Tensor table = on.weight(type, 37, 66, Lab.random(1, 37 * 66));
            Tensor positions = on.weight(type, 9, 66, Lab.random(2, 9 * 66));
            Tensor out = on.poisoned(DType.F32, 6, 66);
            StepState state = on.state(4, 0, 0, 5);
            on.backend().embed(on.ints(0, 36, 5, 5, 17, 1), table, positions, state, out);
            return out;
          },
          2 * F32,
          0);
    }
  }

  @Test
  void embedOfAnIdOutOfRangeIsNaNNotACrash() {
    Tensor table = lab.weight(DType.F32, 3, 8, Lab.random(1, 24));
    Tensor out = lab.floats(DType.F32, 3, 8, new float[24]);
    backend.embed(lab.ints(-1, 3, 2), table, null, lab.state(0, 0, 0), out);
    float[] got = lab.read(out);
    for (int i = 0; i < 16; i++) {
      assertTrue(Float.isNaN(got[i]), "element " + i + " is " + got[i]);
    }
    assertTrue(Float.isFinite(got[16]));
  }

  @Test
  void norms() {
    for (NormKind kind : NormKind.values()) {
      for (int width : new int[] {1, 13, 207, 4098}) {
        both(
            kind + " " + width,
            on -> {
              Tensor x = on.floats(DType.F32, 5, width, Lab.random(width, 5 * width));
              Tensor gain = on.floats(DType.F32, 1, width, Lab.random(2, width));
              Tensor bias =
                  kind == NormKind.LAYER
                      ? on.floats(DType.F32, 1, width, Lab.random(3, width))
                      : null;
              Tensor out = on.poisoned(activationType(), 3, width);
              on.backend().norm(kind, x.everyRow(0, 2, 3), gain, bias, 1e-5f, out);
              return out;
            },
            outputStep() + 16 * F32 * Math.sqrt(width),
            // A lone element's deviation from its mean is rounding noise over sqrt(eps).
            32 * F32 * Math.sqrt(width) + outputStep());
      }
    }
  }

  @Test
  void addNormAddsAndNormalises() {
    for (int part = 0; part < 2; part++) {
      int wanted = part;
      both(
          "addNorm output " + part,
          on -> {
            Tensor x = on.floats(DType.F32, 3, 207, Lab.random(1, 3 * 207));
            Tensor delta = activations(on, 2, 3, 207);
            Tensor gain = on.floats(DType.F32, 1, 207, Lab.random(3, 207));
            Tensor out = on.poisoned(activationType(), 3, 207);
            on.backend().addNorm(x, delta, NormKind.RMS, gain, null, 1e-6f, out);
            return wanted == 0 ? x : out;
          },
          outputStep() + 64 * F32,
          outputStep() + 16 * F32);
    }
  }

  @Test
  void headNorm() {
    both(
        "headNorm",
        on -> {
          Tensor x = activations(on, 1, 4, 7 * 24 + 5);
          Tensor gain = on.floats(DType.F32, 1, 24, Lab.random(2, 24));
          on.backend().headNorm(x.columns(3, 7 * 24), gain, 1e-6f);
          return x;
        },
        outputStep() + 64 * F32,
        F32);
  }

  @Test
  void biasAndAdd() {
    both(
        "bias",
        on -> {
          Tensor x = activations(on, 1, 3, 212);
          on.backend().bias(x.columns(5, 207), on.floats(DType.F32, 1, 207, Lab.random(2, 207)));
          on.backend().add(x.columns(0, 100), activations(on, 4, 3, 100));
          return x;
        },
        2 * outputStep(),
        4 * outputStep());
  }

  @Test
  void rope() {
    both(
        "rope",
        on -> {
          Tensor x = activations(on, 1, 6, 5 * 24 + 2);
          Tensor table = on.floats(DType.F32, 12, 24, Lab.random(2, 12 * 24));
          on.backend().rope(x.columns(1, 5 * 24), 24, table, on.state(3, 0, 0, 4));
          return x;
        },
        outputStep() + 4 * F32,
        16 * F32 + 4 * outputStep());
  }

  @ParameterizedTest
  @EnumSource(Activation.class)
  void activation(Activation activation) {
    for (boolean gated : new boolean[] {true, false}) {
      both(
          activation + " gated " + gated,
          on -> {
            float[] values = Lab.random(1, 3 * 414);
            values[0] = -100;
            values[1] = 100;
            values[2] = -0f;
            for (int i = 3; i < values.length; i++) {
              values[i] *= 4;
            }
            Tensor x = on.floats(activationType(), 3, gated ? 414 : 207, values);
            Tensor out = on.poisoned(activationType(), 3, 207);
            on.backend().activation(activation, gated, x, out);
            return out;
          },
          outputStep() + 32 * F32,
          64 * F32);
    }
  }

  private record AttentionCase(
      String name,
      int batch,
      int tokens,
      int slot,
      int heads,
      int kvHeads,
      int headDim,
      boolean causal,
      int window,
      boolean alibi,
      boolean masked,
      DType cache) {}

  private List<AttentionCase> attentionCases() {
    List<AttentionCase> out = new ArrayList<>();
    for (DType cache : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      out.add(new AttentionCase("prefill", 2, 13, 0, 4, 2, 16, true, 0, false, false, cache));
      out.add(new AttentionCase("chunk", 2, 5, 9, 6, 2, 24, true, 0, false, false, cache));
      out.add(new AttentionCase("decode", 3, 1, 30, 8, 1, 64, true, 0, false, false, cache));
      out.add(new AttentionCase("window", 1, 40, 0, 4, 4, 48, true, 12, false, false, cache));
      out.add(
          new AttentionCase("windowed decode", 1, 1, 37, 4, 2, 128, true, 12, false, false, cache));
      out.add(new AttentionCase("alibi", 2, 7, 3, 5, 5, 16, true, 0, true, false, cache));
      out.add(new AttentionCase("matrix", 2, 9, 2, 4, 2, 16, false, 0, false, true, cache));
      out.add(
          new AttentionCase("matrix and causal", 1, 9, 2, 4, 2, 16, true, 5, false, true, cache));
      out.add(
          new AttentionCase("bidirectional", 1, 17, 0, 2, 1, 13, false, 0, false, false, cache));
    }
    return out;
  }

  private Tensor attention(Lab on, AttentionCase c, boolean stored) {
    int max = 48;
    AttentionSpec spec =
        new AttentionSpec(
            c.batch,
            c.tokens,
            c.heads,
            c.kvHeads,
            c.headDim,
            (float) (1 / Math.sqrt(c.headDim)),
            c.causal,
            c.window,
            c.alibi,
            max);
    int rows = c.batch * c.kvHeads * max;
    Tensor keys = on.floats(c.cache, rows, c.headDim, Lab.random(1, rows * c.headDim));
    Tensor values = on.floats(c.cache, rows, c.headDim, Lab.random(2, rows * c.headDim));
    int[] keyStart = new int[c.batch];
    for (int b = 1; b < c.batch; b++) {
      keyStart[b] = Math.min(b * 2, c.slot + c.tokens - 1);
    }
    StepState state = on.state(c.slot, 0, keyStart);
    Tensor mask = c.masked ? on.bytes(max, max, maskBytes(max)) : null;
    int n = c.batch * c.tokens;
    int width = (c.heads + 2 * c.kvHeads) * c.headDim;
    Tensor qkv = activations(on, 3, n, width);
    Tensor q = qkv.columns(0, c.heads * c.headDim);
    Tensor k = qkv.columns(c.heads * c.headDim, c.kvHeads * c.headDim);
    Tensor v = qkv.columns((c.heads + c.kvHeads) * c.headDim, c.kvHeads * c.headDim);
    Tensor out = on.poisoned(activationType(), n, c.heads * c.headDim);
    on.backend().storeKv(spec, k, v, state, keys, values);
    if (stored) {
      Tensor scores = on.poisoned(DType.F32, n * c.heads, max);
      on.backend().storedAttention(spec, q, keys, values, state, mask, scores, out);
    } else {
      on.backend().attention(spec, q, keys, values, state, mask, out);
    }
    return out;
  }

  /** About a third hidden, and the query at slot 4 sees nothing at all (claim I2's fourth row). */
  private static byte[] maskBytes(int max) {
    byte[] mask = new byte[max * max];
    java.util.Random r = new java.util.Random(7);
    for (int i = 0; i < mask.length; i++) {
      mask[i] = (byte) (r.nextInt(3) == 0 || i / max == 4 ? 0 : 1);
    }
    return mask;
  }

  @Test
  void attentionTiledAndStored() {
    for (AttentionCase c : attentionCases()) {
      for (boolean stored : new boolean[] {false, true}) {
        // Scores are sums of headDim products (about 4 sigma of 1), each off by headDim · u; exp
        // turns
        // that into a relative error of the weights, and the values are of size 1.
        double absolute = (c.headDim + 48) * 8 * F32 + 2 * outputStep();
        both(
            c + (stored ? " stored" : " tiled"),
            on -> attention(on, c, stored),
            outputStep(),
            absolute);
      }
    }
  }

  @Test
  void aFullyMaskedRowIsZero() {
    AttentionCase c =
        new AttentionCase("masked", 1, 9, 2, 4, 2, 16, false, 0, false, true, DType.F32);
    for (boolean stored : new boolean[] {false, true}) {
      float[] out = lab.read(attention(lab, c, stored));
      for (int i = 0; i < 64; i++) {
        assertEquals(0f, out[2 * 64 + i], "query at slot 4, element " + i);
        assertTrue(out[3 * 64 + i] != 0f);
      }
    }
  }

  @Test
  void storeKvConvertsAndPlaces() {
    for (DType type : new DType[] {DType.F32, DType.F16, DType.BF16}) {
      both(
          "storeKv " + type,
          on -> {
            AttentionSpec spec = new AttentionSpec(2, 3, 4, 2, 16, 1, true, 0, false, 11);
            Tensor kv = activations(on, 1, 6, 70);
            Tensor keys = on.floats(type, 44, 16, new float[44 * 16]);
            Tensor values = on.floats(type, 44, 16, new float[44 * 16]);
            on.backend()
                .storeKv(
                    spec,
                    kv.columns(2, 32),
                    kv.columns(36, 32),
                    on.state(5, 0, 0, 2),
                    keys,
                    values);
            return values;
          },
          0,
          0);
    }
  }

  @Test
  void greedyTakesTheSmallestIdOfEquals() {
    float[] logits = Lab.random(4, 3 * 1003);
    logits[500] = 9;
    logits[77] = 9;
    logits[1003 + 1002] = 9;
    Tensor tokens = lab.ints(-1, -1, -1);
    Tensor history = lab.ints(new int[3 * 4]);
    Tensor rows = Tensor.rowMajor(history.buffer(), history.offsetBytes(), DType.I32, 4, 3);
    backend.sample(
        SamplingSpec.GREEDY,
        lab.floats(DType.F32, 3, 1003, logits),
        null,
        lab.state(0, 2, 0, 0, 0),
        tokens,
        rows);
    int[] got = lab.readInts(tokens);
    assertEquals(77, got[0]);
    assertEquals(1002, got[1]);
    assertArrayEquals(new int[] {0, 0, 0, 0, 0, 0, 77, 1002, got[2], 0, 0, 0}, lab.readInts(rows));
  }

  static List<Arguments> samplings() {
    return List.of(
        Arguments.of(new SamplingSpec(1, 0, 1)),
        Arguments.of(new SamplingSpec(0.8f, 36, 0.7f)),
        Arguments.of(new SamplingSpec(2, 5, 1)),
        Arguments.of(new SamplingSpec(0.5f, 0, 0.9f)),
        Arguments.of(new SamplingSpec(1, 0, 0.0001f)),
        Arguments.of(new SamplingSpec(1.3f, 4096, 0.95f)),
        Arguments.of(new SamplingSpec(1, 1, 1)));
  }

  /**
   * Many draws with ties among the logits: every id must be the reference's, save where the uniform
   * lies within rounding of a boundary.
   */
  @ParameterizedTest
  @MethodSource("samplings")
  void sampling(SamplingSpec spec) {
    int vocabulary = 517;
    int draws = samplingDraws();
    float[] logits = Lab.random(11, vocabulary);
    for (int i = 0; i < vocabulary; i++) {
      logits[i] = Math.round(logits[i] * 4) / 2f;
    }
    int[] expected = draw(judge, spec, logits, draws);
    int[] actual = draw(lab, spec, logits, draws);
    int different = 0;
    for (int i = 0; i < draws; i++) {
      different += expected[i] == actual[i] ? 0 : 1;
    }
    assertTrue(different <= draws / 200, different + " of " + draws + " draws differ");
  }

  private static int[] draw(Lab on, SamplingSpec spec, float[] logits, int draws) {
    int[] out = new int[draws];
    float[] uniforms = new float[draws];
    java.util.Random r = new java.util.Random(3);
    for (int i = 0; i < draws; i++) {
      uniforms[i] = r.nextFloat();
    }
    Tensor u = on.floats(DType.F32, draws, 1, uniforms);
    Tensor h = on.ints(new int[draws]);
    Tensor history = Tensor.rowMajor(h.buffer(), h.offsetBytes(), DType.I32, draws, 1);
    Tensor tokens = on.ints(0);
    StepState state = on.state(0, 0, 0);
    Tensor l = on.floats(DType.F32, 1, logits.length, logits);
    for (int i = 0; i < draws; i++) {
      on.writeFloats(l, logits);
      on.backend().sample(spec, l, u, state, tokens, history);
      on.backend().advance(state, 1, 1);
      out[i] = on.readInts(tokens)[0];
    }
    assertArrayEquals(out, on.readInts(history));
    return out;
  }

  @Test
  void advanceCounts() {
    StepState state = lab.state(3, 8, 0);
    backend.advance(state, 5, 1);
    backend.advance(state, 1, 1);
    assertArrayEquals(new int[] {9, 10}, lab.readInts(state.counters()));
  }

  @Test
  void uniformsAreUniformAndRepeatable() {
    Tensor a = lab.poisoned(DType.F32, 1000, 7);
    Tensor b = lab.poisoned(DType.F32, 1000, 7);
    backend.fillUniform(a, 42);
    backend.fillUniform(b, 42);
    float[] values = lab.read(a);
    assertArrayEquals(values, lab.read(b));
    double sum = 0;
    for (float v : values) {
      assertTrue(v >= 0 && v < 1, "uniform " + v);
      sum += v;
    }
    // The mean of 7000 uniforms has a standard deviation of 0.00345; six of them.
    assertEquals(0.5, sum / values.length, 6 * 0.00345);
  }

  @Test
  void wrongShapesAreRefused() {
    Tensor x = lab.floats(DType.F32, 2, 8, new float[16]);
    Tensor w = lab.weight(DType.F32, 4, 8, new float[32]);
    assertThrows(
        IllegalArgumentException.class,
        () -> backend.matmul(x, w, lab.poisoned(DType.F32, 2, 5), false));
    assertThrows(
        IllegalArgumentException.class,
        () -> backend.matmul(x.columns(0, 7), w, lab.poisoned(DType.F32, 2, 4), false));
  }

  @Test
  void aReplayedRecordingDoesTheSameAgain() {
    StepState state = lab.state(0, 0, 0);
    Tensor x = lab.floats(DType.F32, 1, 13, Lab.random(1, 13));
    Tensor delta = activations(lab, 2, 1, 13);
    float[] before = lab.read(x);
    try (Recording step =
        backend.record(
            () -> {
              backend.add(x, delta);
              backend.advance(state, 1, 1);
            })) {
      step.replay();
      step.replay();
    }
    float[] after = lab.read(x);
    float[] d = lab.read(delta);
    for (int i = 0; i < 13; i++) {
      assertEquals(
          before[i] + 3 * d[i], after[i], 8 * F32 * (Math.abs(before[i]) + 4 * Math.abs(d[i])));
    }
    assertArrayEquals(new int[] {3, 3}, lab.readInts(state.counters()));
  }
}
