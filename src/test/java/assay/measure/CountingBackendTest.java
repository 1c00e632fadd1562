package assay.measure;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import assay.backend.Backend;
import assay.backend.reference.ReferenceBackend;
import assay.engine.AttentionPath;
import assay.engine.Session;
import assay.engine.SessionOptions;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.OpKind;
import assay.model.Precision;
import java.util.Map;
import org.junit.jupiter.api.Test;

class CountingBackendTest {
  private static final int[][] FIVE = {{1, 2, 3, 4, 5}};

  private record Counts(Map<OpLabel, OpCounts> prefill, Map<OpLabel, OpCounts> decode) {
    static long flops(Map<OpLabel, OpCounts> counts, OpKind kind) {
      return of(counts, kind).flops();
    }

    static OpCounts of(Map<OpLabel, OpCounts> counts, OpKind kind) {
      return counts.entrySet().stream()
          .filter(e -> e.getKey().kind() == kind)
          .map(Map.Entry::getValue)
          .reduce(OpCounts.NONE, OpCounts::plus);
    }
  }

  private static Counts count(ModelConfig c, SessionOptions o, int[][] prompts, byte[] mask) {
    try (Backend inner = new ReferenceBackend()) {
      CountingBackend counting = new CountingBackend(inner);
      try (Session s = Session.open(counting, SmallModels.weights(c), o, mask, done -> {})) {
        s.start(prompts);
        counting.start();
        s.enqueuePrefill();
        Map<OpLabel, OpCounts> prefill = counting.stop();
        counting.start();
        s.enqueueDecode();
        return new Counts(prefill, counting.stop());
      }
    }
  }

  private static SessionOptions options(int batch) {
    return SessionOptions.of(Precision.BF16, batch, 10);
  }

  /** By hand: 2 layers, hidden 64, MLP 96 gated, 4 heads of 16 on 2 KV heads, vocabulary 97. */
  @Test
  void aPromptOfFiveTokensByHand() {
    Counts n = count(SmallModels.llama(), options(1), FIVE, null);
    long perLayer = 64 * 128 + 64 * 64 + 64 * 192 + 96 * 64; // qkv, o, gate and up, down
    assertEquals(
        2 * (5 * 2 * perLayer + 64 * 97), Counts.flops(n.prefill, OpKind.MATMUL), "one logits row");
    // 1 + 2 + 3 + 4 + 5 pairs and 4 heads in each of 2 layers; then one division per element.
    assertEquals(2 * (15 * 4 * (4 * 16 + 5) + 5 * 64), Counts.flops(n.prefill, OpKind.ATTENTION));
    // The first and the last norm add nothing, the three between add a residual.
    assertEquals(4 * 5 * 64 + 3 * 5 * 5 * 64 + 4 * 64, Counts.flops(n.prefill, OpKind.NORM));
    assertEquals(5 * 64, Counts.flops(n.prefill, OpKind.ADD));
    assertEquals(2 * 3 * 5 * (64 + 32), Counts.flops(n.prefill, OpKind.ROPE));
    assertEquals(2 * 5 * 5 * 96, Counts.flops(n.prefill, OpKind.ACTIVATION));
    assertEquals(0, Counts.flops(n.prefill, OpKind.SAMPLE));

    OpCounts kv = Counts.of(n.prefill, OpKind.STORE_KV);
    assertEquals(2 * 2 * 5 * 32 * 2, kv.kvWriteBytes(), "K and V, 2 layers, 5 slots, 32, bf16");
    assertEquals(
        2 * 2 * 5 * 32 * 2, Counts.of(n.prefill, OpKind.ATTENTION).kvReadBytes(), "each key once");
    assertEquals(
        2 * (2 * perLayer + 97 * 64), Counts.of(n.prefill, OpKind.MATMUL).weightBytes(), "bf16");

    assertEquals(2 * (2 * perLayer + 64 * 97), Counts.flops(n.decode, OpKind.MATMUL));
    assertEquals(2 * (6 * 4 * (4 * 16 + 5) + 64), Counts.flops(n.decode, OpKind.ATTENTION));
    assertEquals(2 * 2 * 6 * 32 * 2, Counts.of(n.decode, OpKind.ATTENTION).kvReadBytes());
  }

  /** What a mask hides is not counted, whatever hides it. */
  @Test
  void aWindowPaddingAndAMatrixHidePairs() {
    ModelConfig c = SmallModels.llama();
    long perPair = 2L * 4 * (4 * 16 + 5);
    long divisions = 2 * 5 * 64;

    ModelConfig windowed = c.toBuilder().window(3, 0).build();
    Counts n = count(windowed, options(1), FIVE, null);
    assertEquals(
        perPair * (1 + 2 + 3 + 3 + 3) + divisions, Counts.flops(n.prefill, OpKind.ATTENTION));
    assertEquals(
        2 * 2 * 3 * 32 * 2,
        Counts.of(n.decode, OpKind.ATTENTION).kvReadBytes(),
        "three keys lie in the window");

    Counts padded = count(c, options(2), new int[][] {{1, 2, 3, 4, 5}, {6, 7}}, null);
    assertEquals(
        perPair * (15 + 3) + 2 * divisions, Counts.flops(padded.prefill, OpKind.ATTENTION));

    byte[] mask = new byte[100];
    for (int query = 0; query < 10; query++) {
      mask[10 * query] = 1; // all see the first key alone
    }
    Counts masked = count(c, options(1), FIVE, mask);
    assertEquals(perPair * 5 + divisions, Counts.flops(masked.prefill, OpKind.ATTENTION));
    assertEquals(2 * 2 * 1 * 32 * 2, Counts.of(masked.prefill, OpKind.ATTENTION).kvReadBytes());
  }

  @Test
  void chunksAndStoredScoresChangeNoFlops() {
    ModelConfig c = SmallModels.llama();
    Map<OpLabel, OpCounts> whole = count(c, options(1), FIVE, null).prefill;
    long attention = Counts.flops(whole, OpKind.ATTENTION);
    Counts chunks = count(c, options(1).withMaxPassTokens(2), FIVE, null);
    assertEquals(attention, Counts.flops(chunks.prefill, OpKind.ATTENTION));
    assertEquals(Counts.flops(whole, OpKind.MATMUL), Counts.flops(chunks.prefill, OpKind.MATMUL));
    Counts stored = count(c, options(1).withAttention(AttentionPath.STORED), FIVE, null);
    assertEquals(attention, Counts.flops(stored.prefill, OpKind.ATTENTION));
    SessionOptions f32 = options(1).withKvType(DType.F32);
    assertEquals(
        2 * Counts.of(whole, OpKind.ATTENTION).kvReadBytes(),
        Counts.of(count(c, f32, FIVE, null).prefill, OpKind.ATTENTION).kvReadBytes());
  }

  @Test
  void replaysAreRefusedWhileCounting() {
    try (Backend inner = new ReferenceBackend()) {
      CountingBackend counting = new CountingBackend(inner);
      try (Session s =
          Session.open(counting, SmallModels.weights(SmallModels.llama()), options(1))) {
        s.start(FIVE);
        s.enqueuePrefill();
        s.enqueueRecordedDecode();
        counting.start();
        assertThrows(IllegalStateException.class, s::enqueueRecordedDecode);
        counting.stop();
        s.enqueueRecordedDecode();
      }
    }
  }
}
