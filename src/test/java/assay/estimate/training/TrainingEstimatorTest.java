package assay.estimate.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.cost.MemoryKind;
import assay.cost.ParameterCount;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.DeviceTable;
import assay.estimate.Parallelism;
import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.Precision;
import assay.model.Presets;
import assay.model.UserError;
import assay.model.WeightRole;
import assay.testing.Draws;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class TrainingEstimatorTest {
  private static final Device H100 = DeviceTable.builtIn().find("H100 SXM5");
  private static final Constants K = Constants.defaults(DeviceKind.CUDA);

  private static ModelConfig model(String name) {
    ModelConfig c = Presets.byName().get(name);
    assertNotNull(c);
    return c;
  }

  private static TrainingRequest request(String name, Precision p) {
    return TrainingRequest.of(model(name), TrainingTypes.of(p), 2, 512);
  }

  private static TrainingRequest with(
      TrainingRequest r, Optimizer optimizer, boolean stored, boolean dropout) {
    return new TrainingRequest(
        r.config(),
        r.types(),
        optimizer,
        r.microBatch(),
        r.accumulation(),
        r.tokens(),
        r.recomputation(),
        stored,
        dropout,
        r.lora(),
        r.parallelism(),
        r.trainingTokens());
  }

  private static TrainingEstimate estimate(TrainingRequest r) {
    return TrainingEstimator.estimate(r, H100, K, Utilization.rule());
  }

  private static long fixed(TrainingRequest r) {
    TrainingEstimate e = estimate(r);
    return e.bytes(MemoryKind.WEIGHTS)
        + e.bytes(MemoryKind.GRADIENTS)
        + e.bytes(MemoryKind.OPTIMIZER);
  }

  static Stream<Arguments> termsSumToTheBracketArguments() {
    return Draws.ints(40, 1, 8, 1, 2048, 1, 16);
  }

  /**
   * Claim T4's bracket, L·bshp·[16 + 2/p + (a·s/h)(2 + 1/p)] = Korthikanti et al. 2022 eq. 1, is
   * what the terms sum to for its kind of layer, plus the norms' statistics (8 bytes a row, twice).
   */
  @ParameterizedTest
  @MethodSource("termsSumToTheBracketArguments")
  void termsSumToTheBracket(int b, int s, int a) {
    int h = 64 * a;
    ModelConfig c =
        ModelConfig.builder("g", "gpt2")
            .size(3, h, 4 * h)
            .heads(a, a, 64)
            .tokens(1000, 2048)
            .norm(NormKind.LAYER, 1e-5f)
            .mlp(Activation.GELU_TANH, false)
            .build();
    for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
      TrainingRequest r =
          with(
              TrainingRequest.of(c, TrainingTypes.of(precision), b, s), Optimizer.ADAM, true, true);
      double p = precision == Precision.FP32 ? 4 : 2;
      double bshp = (double) b * s * h * p;
      double bracket = bshp * (16 + 2 / p + (double) a * s / h * (2 + 1 / p));
      double statistics = 2.0 * b * s * 8;
      assertEquals(
          bracket + statistics,
          (double) ActivationTerms.layerBytes(ActivationTerms.of(r)),
          1e-9 * bracket);
    }
  }

  /** Claims T1 to T3: bytes per parameter without activations. */
  @ParameterizedTest
  @CsvSource({
    "FP32, ADAM, 16", // 4 + 4 + 8
    "FP32, ADAMW, 16",
    "FP32, SGD, 8",
    "FP32, SGD_MOMENTUM, 12",
    "BF16, ADAM, 16", // 2 + 2 + 12
    "FP16, SGD, 8", // 2 + 2 + 4: the master copy
    "BF16, SGD_MOMENTUM, 12"
  })
  void bytesPerParameter(Precision p, Optimizer optimizer, long expected) {
    TrainingRequest r = with(request("llama-3.2-1b", p), optimizer, false, false);
    assertEquals(expected * r.config().parameters(), fixed(r));
  }

  /** T3 with y = 4: gradients accumulated in fp32 beside 16-bit weights make 18. */
  @Test
  void fp32GradientsMakeEighteen() {
    TrainingRequest r =
        TrainingRequest.of(
            model("llama-3.2-1b"), TrainingTypes.of(Precision.BF16).withGradients(DType.F32), 1, 8);
    assertEquals(18 * r.config().parameters(), fixed(r));
  }

  @Test
  void recomputationDropsWhatItSays() {
    TrainingRequest none = with(request("gpt2", Precision.BF16), Optimizer.ADAM, true, true);
    TrainingRequest selective = none.with(Recomputation.SELECTIVE);
    TrainingRequest full = none.with(Recomputation.FULL);
    long n = none.rows();
    long core = n * 512 * 12 * (2 + 1 + 2);
    assertEquals(
        estimate(none).bytes(MemoryKind.ACTIVATIONS) - 11 * core,
        estimate(selective).bytes(MemoryKind.ACTIVATIONS));
    List<ActivationTerm> terms = ActivationTerms.of(none);
    assertEquals(
        11 * n * 768 * 2 + ActivationTerms.layerBytes(terms) + ActivationTerms.outsideBytes(terms),
        estimate(full).bytes(MemoryKind.ACTIVATIONS));
    assertTrue(estimate(full).flops().recompute() > estimate(selective).flops().recompute());
    assertEquals(0, estimate(none).flops().recompute());
    assertEquals(estimate(none).flops().model(), estimate(full).flops().model());
  }

  /** Matrix products: forward 2, backward 4 FLOPs a parameter and token; attention 1 : 2 or 2.5. */
  @ParameterizedTest
  @CsvSource({"llama-3.1-8b, true", "llama-3.1-8b, false", "gpt2, true", "qwen2.5-0.5b, false"})
  void flopsAgreeWithTheClosedForm(String name, boolean stored) {
    TrainingRequest r = with(request(name, Precision.BF16), Optimizer.ADAM, stored, false);
    ModelConfig c = r.config();
    TrainingFlops f = TrainingFlops.of(r);
    double products = 2.0 * ParameterCount.of(c).multiplied() * r.rows();
    double pairs = 2 * (512 * 513 / 2.0) * c.nLayers() * c.nHeads();
    double attention = pairs * 4 * c.headDim();
    double rest = f.forward() - products - attention;
    assertTrue(rest > 0 && rest < 0.02 * products, "the rest is " + rest / products);
    double backward = 2 * products + (stored ? 2 : 2.5) * attention + 2 * rest;
    assertEquals(backward, (double) f.backward(), 1e-12 * backward);
  }

  /**
   * Claim C2 as a cross-check: within 20 % of 6ND where the vocabulary is small beside the rest.
   */
  @Test
  void sixNdIsNear() {
    TrainingEstimate e = estimate(request("llama-2-7b", Precision.BF16));
    assertEquals(1, e.flops().model() / e.sixNd(), 0.05);
    TrainingEstimate full =
        estimate(request("llama-2-7b", Precision.BF16).with(Recomputation.FULL));
    assertEquals(1, full.flops().total() / full.eightNd(), 0.05);
    assertEquals(8.0 / 6, full.eightNd() / full.sixNd(), 1e-12);
  }

  /** Claim T8: rank 4 beside 512×64 trains 2,304 parameters instead of 32,768. */
  @Test
  void loraCountsOfTheSource() {
    ModelConfig c =
        ModelConfig.builder("t8", "llama").size(1, 512, 512).heads(1, 1, 64).tokens(10, 8).build();
    Lora lora = new Lora(4, 8, Set.of(WeightRole.Q), null);
    assertEquals(2304, lora.parameters(c));
    TrainingRequest r = TrainingRequest.of(c, TrainingTypes.of(Precision.BF16), 1, 8).with(lora);
    TrainingEstimate e = estimate(r);
    assertEquals(2304, e.trainedParameters());
    assertEquals(2304 * 2, e.bytes(MemoryKind.GRADIENTS));
    assertEquals(2304 * 12, e.bytes(MemoryKind.OPTIMIZER));
    assertEquals((c.parameters() + 2304) * 2, e.bytes(MemoryKind.WEIGHTS));
  }

  /** QLoRA: the matrices of the blocks at 18/32 bytes, embedding, head and norms at 2. */
  @Test
  void qloraQuantisesTheBlocks() {
    ModelConfig c = model("llama-2-7b");
    Lora lora = new Lora(16, 32, Lora.allLinear(), Precision.INT4);
    TrainingEstimate e =
        estimate(TrainingRequest.of(c, TrainingTypes.of(Precision.BF16), 1, 512).with(lora));
    long matrices = 32L * (4 * 4096L * 4096 + 3 * 4096L * 11_008);
    long other = c.parameters() - matrices;
    long adapters = 32L * 16 * (4 * (4096 + 4096) + 3 * (4096 + 11_008));
    assertEquals(matrices * 18 / 32 + 2 * other + 2 * adapters, e.bytes(MemoryKind.WEIGHTS));
    assertEquals(adapters, e.trainedParameters());
  }

  /** Frozen matrices save the weight gradients' products and the inputs kept for them. */
  @Test
  void loraSavesWhatItNeedNotCompute() {
    TrainingRequest all = request("llama-3.1-8b", Precision.BF16);
    TrainingRequest q = all.with(new Lora(8, 16, Set.of(WeightRole.Q, WeightRole.V), null));
    assertTrue(estimate(q).flops().backward() < 0.6 * estimate(all).flops().backward());
    long saved =
        ActivationTerms.layerBytes(ActivationTerms.of(all))
            - ActivationTerms.layerBytes(ActivationTerms.of(q));
    long n = all.rows();
    // up_input, down_input; but the adapters keep x·Aᵀ of two matrices.
    assertEquals(n * 4096 * 2 + n * 14_336 * 2 - 2 * n * 8 * 2, saved);
  }

  /** ZeRO (Rajbhandari et al. 2020, figure 1): 16Ψ becomes 4Ψ + 12Ψ/N, 2Ψ + 14Ψ/N, 16Ψ/N. */
  @Test
  void zeroShares() {
    TrainingRequest r = request("llama-2-7b", Precision.BF16);
    double psi = r.config().parameters();
    double[] expected = {16 * psi, (4 + 12 / 64.0) * psi, (2 + 14 / 64.0) * psi, 16 / 64.0 * psi};
    for (int stage = 0; stage <= 3; stage++) {
      long bytes = fixed(r.with(new Parallelism(64, stage, 1, 1)));
      assertEquals(expected[stage], (double) bytes, 8);
    }
    // Traffic: 2Ψ elements for stages 0 to 2, 3Ψ for stage 3.
    for (int stage = 0; stage <= 3; stage++) {
      TrainingEstimate e = estimate(r.with(new Parallelism(64, stage, 1, 1)));
      double sent = e.traffic().stream().mapToLong(Traffic::bytes).sum();
      assertEquals((stage == 3 ? 3 : 2) * 2 * psi * 63 / 64, sent, 10);
    }
  }

  @Test
  void tensorAndPipelineShareTheModel() {
    TrainingRequest r = request("llama-3.1-8b", Precision.BF16);
    long whole = fixed(r);
    assertEquals(whole / 4.0, (double) fixed(r.with(new Parallelism(1, 0, 4, 1))), 0.001 * whole);
    // 8 of 32 layers and one of the two tables.
    long stage = fixed(r.with(new Parallelism(1, 0, 1, 4)));
    long tables = 2L * 128_256 * 4096 * 16;
    assertEquals((whole - tables) / 4.0 + tables / 2.0, (double) stage, 0.001 * whole);
    TrainingEstimate e = estimate(r.with(new Parallelism(1, 0, 4, 1)));
    long activations = r.rows() * 4096 * 2;
    assertEquals(activations * 2 * 3 / 4 * 4 * 32, e.traffic().getFirst().bytes());
    assertThrows(UserError.class, () -> estimate(r.with(new Parallelism(1, 0, 5, 1))));
    assertThrows(UserError.class, () -> estimate(r.with(new Parallelism(1, 0, 1, 33))));
  }

  @Test
  void timesFollowFromPeakAndUtilisation() {
    TrainingRequest r = request("llama-2-7b", Precision.BF16);
    TrainingEstimate e =
        TrainingEstimator.estimate(r, H100, K, Utilization.given(0.5, "given by the user"));
    assertEquals(e.flops().total() / (989.5e12 * 0.5), e.stepSeconds().value(), 1e-9);
    TrainingEstimate rule = estimate(r);
    assertEquals(0.55 / 0.30, rule.stepSeconds().high() / rule.stepSeconds().low(), 1e-9);
    assertNull(
        TrainingEstimator.estimate(r, Device.unknown("x", DeviceKind.CUDA), K, Utilization.rule())
            .stepSeconds());
  }

  @Test
  void fewestDevicesIsTight() {
    TrainingRequest r = request("llama-2-7b", Precision.BF16);
    Integer n = TrainingEstimator.fewestDevices(r, H100, K);
    assertNotNull(n);
    assertTrue(n > 1);
    assertEquals(true, estimate(r.with(new Parallelism(n, 3, 1, 1))).fits());
    assertEquals(false, estimate(r.with(new Parallelism(n - 1, 3, 1, 1))).fits());
    assertEquals(1, TrainingEstimator.fewestDevices(request("gpt2", Precision.BF16), H100, K));
  }

  @Test
  void nonsenseIsRefused() {
    assertThrows(UserError.class, () -> TrainingTypes.of(Precision.INT4));
    assertThrows(UserError.class, () -> Utilization.given(1.5, "x"));
    assertThrows(UserError.class, () -> Utilization.given(Double.NaN, "x"));
    assertThrows(UserError.class, () -> new Parallelism(0, 0, 1, 1));
    assertThrows(UserError.class, () -> new Parallelism(1, 4, 1, 1));
    assertThrows(UserError.class, () -> Lora.targetsOf("q,lm_head"));
    assertThrows(UserError.class, () -> Optimizer.of("lion"));
    assertEquals(Set.of(WeightRole.Q, WeightRole.V), Lora.targetsOf("q_proj, v"));
  }
}
