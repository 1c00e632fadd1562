package assay.estimate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.cost.CostModel;
import assay.cost.MemoryKind;
import assay.cost.OpCost;
import assay.cost.PassCost;
import assay.cost.StorageTypes;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.OpKind;
import assay.model.Precision;
import assay.model.Presets;
import assay.model.UserError;
import assay.model.Workload;
import assay.testing.Draws;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class EstimatorTest {
  private static final Rate PEAK = new Rate(100e12, "test", false);
  private static final Device DEVICE =
      new Device(
          "test",
          DeviceKind.CUDA,
          "",
          24_000_000_000L,
          new Rate(1e12, "test", false),
          null,
          Map.of(Precision.FP16, PEAK, Precision.BF16, PEAK),
          null,
          List.of());

  private static ModelConfig model(String name) {
    ModelConfig c = Presets.byName().get(name);
    assertNotNull(c);
    return c;
  }

  private static Constants constants(Object... keysAndValues) {
    List<Constant> out = new ArrayList<>();
    for (Coefficient c : Coefficient.values()) {
      boolean zero = c.lowest() == 0;
      out.add(new Constant(c, Constant.ALL, zero ? 0 : 1, Constant.Origin.USER, "test", null));
    }
    for (int i = 0; i < keysAndValues.length; i += 2) {
      Coefficient c = (Coefficient) keysAndValues[i];
      double v = (double) keysAndValues[i + 1];
      out.add(new Constant(c, Constant.ALL, v, Constant.Origin.USER, "test", null));
    }
    return Constants.defaults(DeviceKind.CUDA).with("test", out);
  }

  /**
   * With every efficiency 1 and no overhead: the 2-norm of each's two bounds, and its activations.
   */
  @Test
  void idealTimeIsTheSumOfTheBoundsOfEach() {
    PassCost pass =
        CostModel.decode(model("llama-2-7b"), StorageTypes.of(Precision.BF16, DType.BF16), 4, 1000);
    double expected =
        pass.ops().stream()
            .mapToDouble(
                o -> {
                  boolean product = o.kind() == OpKind.MATMUL || o.kind() == OpKind.ATTENTION;
                  double read = o.bytes() - o.activationBytes();
                  return product
                      ? Math.hypot(o.flops() / 100e12, read / 1e12) + o.activationBytes() / 1e12
                      : o.bytes() / 1e12;
                })
            .sum();
    Roofline r = Roofline.of(DEVICE, Precision.BF16, constants());
    assertNotNull(r);
    assertEquals(expected, r.seconds(pass), 1e-12 * expected);
    // Decode at small batch is bound by bandwidth: nearly bytes / bandwidth.
    assertEquals(pass.bytes() / 1e12, r.seconds(pass), 0.01 * r.seconds(pass));
  }

  @Test
  void eachConstantActsOnItsOwnTerm() {
    PassCost pass =
        CostModel.decode(model("tiny"), StorageTypes.of(Precision.BF16, DType.BF16), 1, 100);
    double ideal = seconds(pass, constants());
    long products =
        pass.ops().stream()
            .filter(o -> o.kind() == OpKind.MATMUL || o.kind() == OpKind.ATTENTION)
            .mapToLong(OpCost::launches)
            .sum();
    assertTrue(products > 0 && products < pass.launches());
    assertEquals(
        ideal + products * 1e-5, seconds(pass, constants(Coefficient.LAUNCH_SECONDS, 1e-5)), 1e-12);
    assertEquals(
        ideal + (pass.launches() - products) * 1e-5,
        seconds(pass, constants(Coefficient.SMALL_LAUNCH_SECONDS, 1e-5)),
        1e-12);
    assertEquals(ideal + 0.25, seconds(pass, constants(Coefficient.PASS_SECONDS, 0.25)), 1e-12);
    double halfBandwidth = seconds(pass, constants(Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY, 0.5));
    double longer =
        pass.ops().stream()
            .filter(o -> o.kind() == OpKind.MATMUL)
            .mapToDouble(
                o ->
                    Math.hypot(o.flops() / 100e12, 2 * o.weightBytes() / 1e12)
                        - Math.hypot(o.flops() / 100e12, o.weightBytes() / 1e12))
            .sum();
    assertEquals(ideal + longer, halfBandwidth, 1e-12);
  }

  /** rate(n) = peak · n / (n + half): at n = half the product takes twice its time at best. */
  @Test
  void halfRowsHalveTheRate() {
    ModelConfig c = model("llama-2-7b");
    PassCost pass =
        CostModel.prefill(c, StorageTypes.of(Precision.BF16, DType.BF16), 1, 512, 512)
            .passes()
            .getFirst();
    Constants half =
        constants(Coefficient.MATMUL_HALF_ROWS, 512.0, Coefficient.MATVEC_EFFICIENCY, 1e-6);
    Roofline r = Roofline.of(DEVICE, Precision.BF16, half);
    assertNotNull(r);
    OpTime qkv =
        r.ops(pass).stream().filter(t -> t.cost().name().equals("qkv")).findFirst().orElseThrow();
    assertEquals(2 * qkv.cost().flops() / 100e12, qkv.computeSeconds(), 1e-12);
    assertEquals("compute", qkv.bound());
  }

  @Test
  void aCacheServesWhatFitsIntoIt() {
    PassCost pass =
        CostModel.decode(model("tiny"), StorageTypes.of(Precision.BF16, DType.BF16), 1, 100);
    long set = pass.weightBytes() + pass.kvReadBytes();
    double without = seconds(pass, constants());
    assertTrue(seconds(pass, constants(), withCache(set)) < 0.6 * without);
    // Half of it fits and is read from the cache, twice as fast as from memory.
    double read = 0;
    for (OpCost o : pass.ops()) {
      boolean product = o.kind() == OpKind.MATMUL || o.kind() == OpKind.ATTENTION;
      read += product ? (o.bytes() - o.activationBytes()) / 1e12 : 0;
    }
    double half = seconds(pass, constants(), withCache(set / 2));
    assertEquals(without - read / 2 / 2, half, 0.02 * without);
    assertEquals(without, seconds(pass, constants(), withCache(1)), 1e-3 * without);
    Constants slow = constants(Coefficient.CACHE_BANDWIDTH_EFFICIENCY, 0.25);
    assertTrue(seconds(pass, slow, withCache(set)) > 1.4 * without);
  }

  private static Device withCache(long bytes) {
    return new Device(
        DEVICE.name(),
        DEVICE.kind(),
        "",
        DEVICE.memoryBytes(),
        DEVICE.bandwidth(),
        new Device.Cache(bytes, new Rate(2e12, "test", false)),
        DEVICE.peaks(),
        null,
        List.of());
  }

  private static double seconds(PassCost pass, Constants k) {
    return seconds(pass, k, DEVICE);
  }

  private static double seconds(PassCost pass, Constants k, Device device) {
    Roofline r = Roofline.of(device, Precision.BF16, k);
    assertNotNull(r);
    return r.seconds(pass);
  }

  /** Claim M2's bf16 figure, with what it leaves out beside it. */
  @Test
  void sevenBillionInBf16() {
    InferenceEstimate e =
        Estimator.inference(
            InferenceRequest.of(
                model("llama-2-7b"), Precision.BF16, new Workload(1, 512, 64), DeviceKind.CUDA),
            DEVICE,
            Constants.defaults(DeviceKind.CUDA));
    // Matrices 2 bytes, the 65 norms of 4096 gains 4 bytes.
    assertEquals(2L * 6_738_415_616L + 2L * 65 * 4096, e.bytes(MemoryKind.WEIGHTS));
    // 575 slots, 32 layers, K and V, 4096 wide, 2 bytes.
    assertEquals(575L * 32 * 2 * 4096 * 2, e.bytes(MemoryKind.KV_CACHE));
    assertEquals(63, e.decode().passes().size());
    assertEquals(true, e.fits());
    assertEquals(e.memory().totalReservedBytes() + (457L << 20), e.totalBytes());
  }

  @Test
  void whatIsNotKnownIsNotPredicted() {
    InferenceEstimate e =
        Estimator.inference(
            InferenceRequest.of(
                model("tiny"), Precision.FP8, new Workload(1, 8, 1), DeviceKind.CUDA),
            DEVICE,
            Constants.defaults(DeviceKind.CUDA));
    assertNull(e.prefillSeconds());
    assertNull(e.decodeSecondsPerToken());
    assertNull(e.decodeFlopsPerToken());
    assertTrue(e.warnings().getFirst().contains("fp8"), e.warnings().toString());
  }

  @Test
  void aContextTooShortForTheWorkloadIsRefused() {
    InferenceRequest r =
        InferenceRequest.of(model("tiny"), Precision.BF16, new Workload(1, 8, 3), DeviceKind.CUDA);
    assertThrows(
        UserError.class,
        () ->
            new InferenceRequest(
                r.config(), r.precision(), r.workload(), r.size().withShape(1, 9), 0, null));
  }

  @Test
  void constantsOutsideTheirBoundsAreRefused() {
    for (double v : new double[] {Double.NaN, -1, 0, 2}) {
      assertThrows(
          UserError.class, () -> Constant.of(Coefficient.WEIGHT_BANDWIDTH_EFFICIENCY, v, "test"));
    }
  }

  @Test
  void everyConstantHasASource() {
    for (DeviceKind kind : DeviceKind.values()) {
      for (Constant c : Constants.defaults(kind).all()) {
        assertTrue(c.source().length() > 10, c.key());
      }
    }
  }

  static Stream<Arguments> estimatesAreMonotonicArguments() {
    return Draws.ints(50, 1, 64, 1, 2000, 2, 20);
  }

  /** More work never takes less time or memory. */
  @ParameterizedTest
  @MethodSource("estimatesAreMonotonicArguments")
  void estimatesAreMonotonic(int batch, int prompt, int generated) {
    InferenceEstimate a = estimate(batch, prompt, generated);
    for (InferenceEstimate b :
        List.of(
            estimate(batch + 1, prompt, generated),
            estimate(batch, prompt + 1, generated),
            estimate(batch, prompt, generated + 1))) {
      assertTrue(b.totalBytes() >= a.totalBytes());
      assertTrue(b.prefillSeconds() >= a.prefillSeconds());
      assertTrue(b.decodeSecondsPerToken() >= a.decodeSecondsPerToken() * (1 - 1e-12));
    }
  }

  private static InferenceEstimate estimate(int batch, int prompt, int generated) {
    return Estimator.inference(
        InferenceRequest.of(
            model("tiny"), Precision.BF16, new Workload(batch, prompt, generated), DeviceKind.CUDA),
        DEVICE,
        Constants.defaults(DeviceKind.CUDA));
  }
}
