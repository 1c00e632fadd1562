package assay.estimate.training;

import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.WeightRole;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What the forward pass of one micro-batch keeps for the backward pass, term by term, for the layer
 * at hand. With multi-head attention, stored scores, dropout and a GELU MLP of 4h the terms of a
 * layer sum to Korthikanti et al. 2022, eq. 1 (claim T4's bracket) and the norms' statistics.
 *
 * <p>A frozen matrix needs no gradient of its own, so its input is kept only where an adapter needs
 * it.
 */
public final class ActivationTerms {
  private static final long F32 = 4;

  private final ModelConfig c;
  private final boolean stored;
  private final boolean dropout;
  private final @Nullable Lora lora;
  private final long n;
  private final long expertRows;
  private final long p;
  private final long scores;
  private final List<ActivationTerm> terms = new ArrayList<>();

  private ActivationTerms(TrainingRequest r) {
    this.c = r.parallelism().share(r.config());
    this.stored = r.storedScores();
    this.dropout = r.dropout();
    this.lora = r.lora();
    this.n = r.rows();
    this.expertRows = Math.multiplyExact(n, (long) c.nActiveExperts());
    this.p = r.types().activations().bytes(1, 1);
    this.scores = Math.multiplyExact(Math.multiplyExact(n, (long) r.tokens()), (long) c.nHeads());
  }

  /** All terms of one micro-batch on one device, before any recomputation. */
  public static List<ActivationTerm> of(TrainingRequest r) {
    ActivationTerms t = new ActivationTerms(r);
    t.attentionBlock();
    t.mlpBlock();
    t.outside();
    return List.copyOf(t.terms);
  }

  /** Bytes of one layer. */
  public static long layerBytes(List<ActivationTerm> terms) {
    return terms.stream()
        .filter(ActivationTerm::perLayer)
        .mapToLong(ActivationTerm::bytes)
        .reduce(0, Math::addExact);
  }

  /** Bytes outside the layers. */
  public static long outsideBytes(List<ActivationTerm> terms) {
    return terms.stream()
        .filter(t -> !t.perLayer())
        .mapToLong(ActivationTerm::bytes)
        .reduce(0, Math::addExact);
  }

  private void attentionBlock() {
    long h = c.hiddenSize();
    long q = c.qDim();
    long kv = c.kvDim();
    norm("attention_norm");
    if (trains(WeightRole.Q) || trains(WeightRole.K) || trains(WeightRole.V)) {
      layer("qkv_input", "bshp", product(n, h, p), "gradients of the q, k and v matrices");
    }
    if (c.qkNorm()) {
      layer(
          "qk_norm_inputs",
          "bs(q+kv)p",
          product(n, q + kv, p),
          "backward through q's and k's norm");
      long heads = (long) c.nHeads() + c.nKvHeads();
      layer("qk_norm_statistics", "4bs·heads", product(n, heads, F32), "the same");
    }
    layer("q", "bsqp", product(n, q, p), "gradient of k");
    layer("k", "bs·kv·p", product(n, kv, p), "gradient of q");
    layer("v", "bs·kv·p", product(n, kv, p), "gradient of the probabilities");
    attentionCore();
    // Tiled attention's backward pass reads its own output, whatever is frozen.
    if (!stored || trains(WeightRole.O)) {
      layer(
          "o_input",
          "bsqp",
          product(n, q, p),
          "gradient of the o matrix; backward of tiled attention");
    }
    if (dropout) {
      layer("attention_dropout_mask", "bsh", product(n, h), "one byte an element");
    }
    adapters("attention_adapters", WeightRole.Q, WeightRole.K, WeightRole.V, WeightRole.O);
  }

  private void attentionCore() {
    if (!stored) {
      layer("logsumexp", "4bsa", product(n, c.nHeads(), F32), "tiled attention's row sums");
      return;
    }
    core("softmax_output", "abs²p", product(scores, p), "backward through the softmax");
    if (dropout) {
      core("softmax_dropout_mask", "abs²", scores, "one byte an element");
      core("softmax_dropout_output", "abs²p", product(scores, p), "gradient of v");
    }
  }

  private void mlpBlock() {
    long h = c.hiddenSize();
    long inner = c.intermediateSize();
    norm("mlp_norm");
    boolean up = trains(WeightRole.UP) || (c.gatedMlp() && trains(WeightRole.GATE));
    if (up) {
      layer("up_input", "bshp", product(n, h, p), "gradients of the up (and gate) matrix");
    }
    if (c.gatedMlp()) {
      layer("gate", "bsip", product(expertRows, inner, p), "backward through the activation");
      layer("up", "bsip", product(expertRows, inner, p), "gradient of the gate");
    } else {
      layer("up", "bsip", product(expertRows, inner, p), "backward through the activation");
    }
    if (trains(WeightRole.DOWN)) {
      layer("down_input", "bsip", product(expertRows, inner, p), "gradient of the down matrix");
    }
    if (c.nExperts() > 1) {
      layer("router", "4bs·experts", product(n, c.nExperts(), F32), "backward through the router");
    }
    if (dropout) {
      layer("mlp_dropout_mask", "bsh", product(n, h), "one byte an element");
    }
    adapters("mlp_adapters", WeightRole.GATE, WeightRole.UP, WeightRole.DOWN);
  }

  private void outside() {
    long h = c.hiddenSize();
    if (dropout) {
      once("embedding_dropout_mask", "bsh", product(n, h), "one byte an element");
    }
    once("final_norm_input", "bshp", product(n, h, p), "backward through the final norm");
    once("final_norm_statistics", statistics(), product(n, perRow(), F32), "the same");
    if (lora == null) {
      once("head_input", "bshp", product(n, h, p), "gradient of the head");
    }
    once(
        "logits",
        "4bsV",
        product(n, c.vocabSize(), F32),
        "the loss, in fp32; its gradient replaces it");
  }

  private void norm(String name) {
    layer(name + "_input", "bshp", product(n, c.hiddenSize(), p), "backward through the norm");
    layer(name + "_statistics", statistics(), product(n, perRow(), F32), "the same");
  }

  /** RMS norm keeps one factor a row, LayerNorm mean and factor. */
  private long perRow() {
    return c.norm() == NormKind.LAYER ? 2 : 1;
  }

  private String statistics() {
    return perRow() == 2 ? "8bs" : "4bs";
  }

  /** x·Aᵀ of each adapter. */
  private void adapters(String name, WeightRole... roles) {
    if (lora == null) {
      return;
    }
    List<WeightRole> there = new ArrayList<>(List.of(roles));
    if (!c.gatedMlp()) {
      there.remove(WeightRole.GATE);
    }
    long ranks = lora.widest(c.nLayers(), there.toArray(WeightRole[]::new));
    if (ranks > 0) {
      long rows = name.startsWith("mlp") ? expertRows : n;
      layer(name, "bs·r·p, r all ranks", product(ranks, rows, p), "gradient of B");
    }
  }

  private static long product(long... factors) {
    long out = 1;
    for (long f : factors) {
      out = Math.multiplyExact(out, f);
    }
    return out;
  }

  private boolean trains(WeightRole role) {
    return lora == null || lora.adapts(role);
  }

  private void layer(String name, String formula, long bytes, String why) {
    terms.add(new ActivationTerm(name, formula, bytes, true, false, why));
  }

  private void core(String name, String formula, long bytes, String why) {
    terms.add(new ActivationTerm(name, formula, bytes, true, true, why));
  }

  private void once(String name, String formula, long bytes, String why) {
    terms.add(new ActivationTerm(name, formula, bytes, false, false, why));
  }
}
