package assay.cost;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import assay.model.Activation;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.OpKind;
import assay.model.PositionKind;
import assay.model.Precision;
import assay.model.Presets;
import assay.testing.Draws;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CostModelTest {
  private static final StorageTypes BF16 = StorageTypes.of(Precision.BF16, DType.BF16);

  /** One layer, 4 wide, 2 query heads and 1 key head of 2, MLP 6, 10 rows: worked by hand. */
  private static ModelConfig hand() {
    return ModelConfig.builder("hand", "llama").size(1, 4, 6).heads(2, 1, 2).tokens(10, 16).build();
  }

  @Test
  void aPassWorkedByHand() {
    // 3 tokens of 1 sequence from position 0: 1 + 2 + 3 = 6 pairs.
    PassCost p = CostModel.pass(hand(), BF16, new PassShape(1, 3, 0, true));
    long qkv = 2 * 3 * 4 * 8; // out = 4 + 2 + 2
    long o = 2 * 3 * 4 * 4;
    long mlp = 2 * 3 * 4 * 12 + 2 * 3 * 6 * 4;
    long head = 2 * 1 * 4 * 10; // the last row only
    assertEquals(qkv + o + mlp + head, p.matmulFlops());
    long attention = 6 * 2 * (4 * 2 + 5) + 3 * 2 * 2;
    long rope = 3 * 3 * (4 + 2);
    long activation = 3 * 6 * 5;
    // first norm, MLP norm with residual, last residual, final norm of one row
    long norms = 3 * 4 * 4 + 3 * 4 * 5 + 3 * 4 + 1 * 4 * 4;
    assertEquals(p.matmulFlops() + attention + rope + activation + norms, p.flops());
    assertEquals(attention, p.flopsByPart().get(Part.ATTENTION));
    // bf16: 3 embedding rows, 8×4 + 4×4 + 12×4 + 4×6 + 10×4 matrix elements, fp32 gains and angles
    long matrices = (3 * 4 + 8 * 4 + 4 * 4 + 12 * 4 + 4 * 6 + 10 * 4) * 2;
    long vectors = (3 * 4 + 2 * 3 * 2) * 4;
    assertEquals(matrices + vectors, p.weightBytes());
    // K and V of 3 keys, 1 head of 2, bf16
    assertEquals(2 * 3 * 2 * 2, p.kvReadBytes());
    // embed, norm, qkv, 2 ropes, store, attention, o, add+norm, up, activation, down, add; norm,
    // head, sample, advance
    assertEquals(17, p.launches());
  }

  @Test
  void aDecodeStepWorkedByHand() {
    // 2 sequences, each one token that sees 5 keys.
    PassCost p = CostModel.decode(hand(), BF16, 2, 5);
    assertEquals(2 * 2 * (4 * 8 + 4 * 4 + 4 * 12 + 6 * 4 + 4 * 10), p.matmulFlops());
    assertEquals(2 * 5 * 2 * (4 * 2 + 5) + 2 * 2 * 2, p.flopsByPart().get(Part.ATTENTION));
    assertEquals(2 * 2 * 5 * 2 * 2, p.kvReadBytes());
  }

  /** A second formula: 2 × multiplied parameters per token, plus 4·d per pair, head and layer. */
  @ParameterizedTest
  @ValueSource(
      strings = {"tiny", "gpt2", "qwen3-0.6b", "llama-3.1-8b", "gpt-3-175b", "baichuan-7b"})
  void prefillAgreesWithTheClosedForm(String preset) {
    ModelConfig c = Presets.byName().get(preset);
    int s = 207;
    int b = 3;
    PhaseCost p = CostModel.prefill(c, BF16, b, s, s);
    long head = (long) c.vocabSize() * c.hiddenSize();
    long tokens = (long) b * s;
    long matrices = 2 * (ParameterCount.of(c).multiplied() - head) * tokens + 2 * head * b;
    assertEquals(matrices, p.matmulFlops());
    long pairs = b * (s * (s + 1L) / 2);
    long products = 4 * pairs * c.nHeads() * c.headDim() * c.nLayers();
    // What is left is norms, softmax, activation, rotation and biases: a few per element of width.
    long widths =
        tokens
                * c.nLayers()
                * (22L * c.hiddenSize()
                    + 14L * c.intermediateSize()
                    + 8L * (c.qDim() + 2L * c.kvDim()))
            + 8 * tokens * c.hiddenSize();
    long softmax = 5 * pairs * c.nHeads() * c.nLayers();
    long rest = p.flops() - matrices - products;
    assertTrue(rest > 0 && rest <= widths + softmax, rest + " of at most " + (widths + softmax));
  }

  static Stream<Arguments> chunksCountTheSameArguments() {
    return Draws.ints(60, 1, 300, 1, 128, 1, 4);
  }

  /** Chunks compute the same as one pass; they only read the weights again. */
  @ParameterizedTest
  @MethodSource("chunksCountTheSameArguments")
  void chunksCountTheSame(int prompt, int chunk, int batch) {
    ModelConfig c = Presets.byName().get("tiny").toBuilder().window(40, 3).build();
    PhaseCost whole = CostModel.prefill(c, BF16, batch, prompt, prompt);
    PhaseCost chunks = CostModel.prefill(c, BF16, batch, prompt, chunk);
    assertEquals(whole.flops(), chunks.flops());
    assertEquals(Math.ceilDiv(prompt, chunk), chunks.passes().size());
  }

  static Stream<Arguments> tokenByTokenCountsTheSameArguments() {
    return Draws.ints(40, 1, 80);
  }

  /** Prefill of n tokens is the same arithmetic as n decode steps, but for n − 1 heads. */
  @ParameterizedTest
  @MethodSource("tokenByTokenCountsTheSameArguments")
  void tokenByTokenCountsTheSame(int prompt) {
    ModelConfig c = Presets.byName().get("tiny").toBuilder().window(13, 2).build();
    long heads = 0;
    long steps = 0;
    for (int kvLen = 1; kvLen <= prompt; kvLen++) {
      PassCost p = CostModel.decode(c, BF16, 1, kvLen);
      steps += p.flops();
      heads +=
          Flops.matmul(1, c.hiddenSize(), c.vocabSize())
              + Flops.norm(NormKind.RMS, 1, c.hiddenSize(), false);
    }
    long oneHead = heads / prompt;
    assertEquals(steps - heads + oneHead, CostModel.prefill(c, BF16, 1, prompt, prompt).flops());
  }

  /** A window beyond the context changes nothing; within it, decode cost stops growing. */
  @Test
  void windowsBound() {
    ModelConfig c = Presets.byName().get("mistral-7b");
    ModelConfig open = c.toBuilder().window(0, 0).build();
    assertEquals(
        CostModel.decode(open, BF16, 1, 4096).flops(), CostModel.decode(c, BF16, 1, 4096).flops());
    assertEquals(
        CostModel.decode(c, BF16, 1, 4096).flops(), CostModel.decode(c, BF16, 1, 9000).flops());
    assertTrue(
        CostModel.decode(open, BF16, 1, 9000).kvReadBytes()
            > CostModel.decode(c, BF16, 1, 9000).kvReadBytes());
  }

  /**
   * Decode at batch 1 reads every weight once, but for the embedding rows that it does not need.
   */
  @Test
  void decodeReadsEachWeightOnce() {
    ModelConfig c = Presets.byName().get("llama-3.1-8b");
    long stored =
        MemoryCost.weights(c, t -> t.storedType(Precision.INT4)).stream()
            .mapToLong(BufferSpec::bytes)
            .sum();
    StorageTypes int4 = StorageTypes.of(Precision.INT4, DType.F16);
    long embedding = DType.Q4_0.bytes(c.vocabSize(), c.hiddenSize());
    long oneRow = DType.Q4_0.bytes(1, c.hiddenSize());
    long angles = 2L * c.nLayers() * c.headDim() * 4;
    assertEquals(
        stored - embedding + oneRow + angles, CostModel.decode(c, int4, 1, 1).weightBytes());
  }

  @Test
  void expertsCountActiveOnes() {
    ModelConfig grok = Presets.byName().get("grok-1");
    long oneToken = CostModel.decode(grok, BF16, 1, 1).matmulFlops();
    assertEquals(2 * ParameterCount.of(grok).multiplied(), oneToken);
    // One token reads two experts, four tokens at most all eight, sixteen no more than that.
    long expert = 3L * 32_768 * 6144 * 64 * 2;
    long one = CostModel.decode(grok, BF16, 1, 1).weightBytes();
    long row = 2 * 6144; // and each further token its embedding
    assertEquals(6 * expert + 3 * row, CostModel.decode(grok, BF16, 4, 1).weightBytes() - one);
    assertEquals(6 * expert + 15 * row, CostModel.decode(grok, BF16, 16, 1).weightBytes() - one);
  }

  @Test
  void plainMlpBiasesAndLearnedPositionsAreCounted() {
    ModelConfig c =
        ModelConfig.builder("g", "gpt2")
            .size(1, 4, 6)
            .heads(2, 2, 2)
            .tokens(10, 16)
            .norm(NormKind.LAYER, 1e-5f)
            .mlp(Activation.RELU, false)
            .positions(PositionKind.LEARNED)
            .biases(true, true, true)
            .build();
    PassCost p = CostModel.pass(c, BF16, new PassShape(1, 1, 0, false));
    long matmul = 2 * (4 * 12 + 4 * 4 + 4 * 6 + 6 * 4);
    long biases = 12 + 4 + 6 + 4;
    long attention = 2 * (4 * 2 + 5) + 2 * 2;
    long rest = 4 + 6 + 4 * 7 + 4 * 8 + 4; // positions, relu, two norms, last residual
    assertEquals(matmul + biases + attention + rest, p.flops());
    assertTrue(p.ops().stream().noneMatch(o -> o.kind() == OpKind.ROPE));
  }
}
