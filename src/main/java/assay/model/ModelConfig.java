package assay.model;

/**
 * The shape of a decoder-only transformer: everything that its arithmetic and its bytes depend on,
 * under the names of Hugging Face's {@code config.json}.
 *
 * @param name what the user calls it
 * @param architecture family: llama, qwen2, qwen3, mistral, gpt2, baichuan, grok-1
 * @param nLayers transformer blocks
 * @param hiddenSize width of the residual stream
 * @param intermediateSize inner width of the MLP (of one expert)
 * @param nHeads query heads
 * @param nKvHeads key/value heads; divides {@code nHeads}
 * @param headDim elements per head; its own field, since nHeads · headDim need not be hiddenSize
 * @param vocabSize rows of the embedding matrix, not entries of the tokenizer (claim M5)
 * @param maxSeqLen longest sequence that positions are defined for
 * @param norm RMS or LAYER; LAYER norms carry a bias
 * @param normEps added to the mean square or variance
 * @param activation the MLP's activation
 * @param gatedMlp down(act(gate·x) ⊙ up·x) instead of down(act(up·x))
 * @param positions rotary, learned or ALiBi
 * @param ropeTheta base of the rotary frequencies
 * @param ropeScaling how they are stretched
 * @param slidingWindow keys that a query sees, its own included; 0 for all
 * @param firstWindowLayer the window holds from this layer on
 * @param qkvBias q, k and v have biases
 * @param outputBias the attention's output projection has a bias
 * @param mlpBias the MLP's matrices have biases
 * @param qkNorm q and k are RMS-normalised per head before rotation (Qwen 3)
 * @param tiedEmbeddings the head is the embedding matrix, stored and counted once
 * @param normalizedHead rows of the head are divided by their L2 norm before use (Baichuan 2, claim
 *     I7)
 * @param nExperts experts per MLP; 1 for a dense model
 * @param nActiveExperts experts that each token passes through
 */
public record ModelConfig(
    String name,
    String architecture,
    int nLayers,
    int hiddenSize,
    int intermediateSize,
    int nHeads,
    int nKvHeads,
    int headDim,
    int vocabSize,
    int maxSeqLen,
    NormKind norm,
    float normEps,
    Activation activation,
    boolean gatedMlp,
    PositionKind positions,
    double ropeTheta,
    RopeScaling ropeScaling,
    int slidingWindow,
    int firstWindowLayer,
    boolean qkvBias,
    boolean outputBias,
    boolean mlpBias,
    boolean qkNorm,
    boolean tiedEmbeddings,
    boolean normalizedHead,
    int nExperts,
    int nActiveExperts) {

  /**
   * More layers than any model; a larger count is a mistake in the file, and would take memory
   * before it is noticed.
   */
  private static final int MAX_LAYERS = 4096;

  /** Wider than any model; up to here all counts of parameters and bytes fit a long. */
  private static final long MAX_WIDTH = 1L << 22;

  /** Checks every count against the others. */
  public ModelConfig {
    positive("num_hidden_layers", nLayers);
    positive("hidden_size", hiddenSize);
    positive("intermediate_size", intermediateSize);
    positive("num_attention_heads", nHeads);
    positive("num_key_value_heads", nKvHeads);
    positive("head_dim", headDim);
    positive("vocab_size", vocabSize);
    positive("max_position_embeddings", maxSeqLen);
    positive("num_experts", nExperts);
    if (nLayers > MAX_LAYERS) {
      throw new UserError(
          "num_hidden_layers is %d: expected at most %d".formatted(nLayers, MAX_LAYERS));
    }
    width("hidden_size", hiddenSize);
    width("vocab_size", vocabSize);
    width("intermediate_size of all experts", (long) intermediateSize * nExperts);
    width("num_attention_heads times head_dim", (long) nHeads * headDim);
    if (nHeads % nKvHeads != 0) {
      throw new UserError(
          "num_attention_heads %d is no multiple of num_key_value_heads %d"
              .formatted(nHeads, nKvHeads));
    }
    if (positions == PositionKind.ROPE && headDim % 2 != 0) {
      throw new UserError("head_dim %d is odd: rotary embedding needs pairs".formatted(headDim));
    }
    if (slidingWindow < 0 || firstWindowLayer < 0) {
      throw new UserError("sliding_window %d: expected 0 or more".formatted(slidingWindow));
    }
    if (!(normEps >= 0)) {
      throw new UserError("norm eps %s: expected 0 or more".formatted(normEps));
    }
    if (positions == PositionKind.ROPE && !(ropeTheta > 0)) {
      throw new UserError("rope_theta %s: expected a positive number".formatted(ropeTheta));
    }
    if (nActiveExperts < 1 || nActiveExperts > nExperts) {
      throw new UserError("%d active of %d experts".formatted(nActiveExperts, nExperts));
    }
  }

  private static void positive(String key, int value) {
    if (value < 1) {
      throw new UserError("%s is %d: expected a positive number".formatted(key, value));
    }
  }

  private static void width(String what, long value) {
    if (value > MAX_WIDTH) {
      throw new UserError("%s is %d: expected at most %d".formatted(what, value, MAX_WIDTH));
    }
  }

  /** Width of all query heads: nHeads · headDim. */
  public int qDim() {
    return Math.multiplyExact(nHeads, headDim);
  }

  /** Width of all key (or value) heads: nKvHeads · headDim. */
  public int kvDim() {
    return Math.multiplyExact(nKvHeads, headDim);
  }

  /** Keys that a query of this layer sees, its own included; 0 for all. */
  public int windowOf(int layer) {
    return layer >= firstWindowLayer ? slidingWindow : 0;
  }

  /** Every stored weight once: tied embeddings once, all experts. */
  public long parameters() {
    return WeightLayout.of(this).stream().mapToLong(TensorSpec::elements).sum();
  }

  /** A llama-shaped configuration with usual defaults, to be changed by the builder's setters. */
  public static Builder builder(String name, String architecture) {
    return new Builder(name, architecture);
  }

  /** This configuration's values as a starting point. */
  public Builder toBuilder() {
    Builder b = new Builder(name, architecture);
    b.nLayers = nLayers;
    b.hiddenSize = hiddenSize;
    b.intermediateSize = intermediateSize;
    b.nHeads = nHeads;
    b.nKvHeads = nKvHeads;
    b.headDim = headDim;
    b.vocabSize = vocabSize;
    b.maxSeqLen = maxSeqLen;
    b.norm = norm;
    b.normEps = normEps;
    b.activation = activation;
    b.gatedMlp = gatedMlp;
    b.positions = positions;
    b.ropeTheta = ropeTheta;
    b.ropeScaling = ropeScaling;
    b.slidingWindow = slidingWindow;
    b.firstWindowLayer = firstWindowLayer;
    b.qkvBias = qkvBias;
    b.outputBias = outputBias;
    b.mlpBias = mlpBias;
    b.qkNorm = qkNorm;
    b.tiedEmbeddings = tiedEmbeddings;
    b.normalizedHead = normalizedHead;
    b.nExperts = nExperts;
    b.nActiveExperts = nActiveExperts;
    return b;
  }

  /** Named arguments for a record of twenty-seven. Defaults are those of the llama family. */
  public static final class Builder {
    private String name;
    private final String architecture;
    private int nLayers;
    private int hiddenSize;
    private int intermediateSize;
    private int nHeads;
    private int nKvHeads;
    private int headDim;
    private int vocabSize;
    private int maxSeqLen = 2048;
    private NormKind norm = NormKind.RMS;
    private float normEps = 1e-5f;
    private Activation activation = Activation.SILU;
    private boolean gatedMlp = true;
    private PositionKind positions = PositionKind.ROPE;
    private double ropeTheta = 10_000;
    private RopeScaling ropeScaling = new RopeScaling.None();
    private int slidingWindow;
    private int firstWindowLayer;
    private boolean qkvBias;
    private boolean outputBias;
    private boolean mlpBias;
    private boolean qkNorm;
    private boolean tiedEmbeddings;
    private boolean normalizedHead;
    private int nExperts = 1;
    private int nActiveExperts = 1;

    private Builder(String name, String architecture) {
      this.name = name;
      this.architecture = architecture;
    }

    /** Another name. */
    public Builder name(String name) {
      this.name = name;
      return this;
    }

    /** Layers, residual width and the MLP's inner width. */
    public Builder size(int nLayers, int hiddenSize, int intermediateSize) {
      this.nLayers = nLayers;
      this.hiddenSize = hiddenSize;
      this.intermediateSize = intermediateSize;
      return this;
    }

    /** Query heads, key/value heads and elements per head. */
    public Builder heads(int nHeads, int nKvHeads, int headDim) {
      this.nHeads = nHeads;
      this.nKvHeads = nKvHeads;
      this.headDim = headDim;
      return this;
    }

    /** Embedding rows and longest sequence. */
    public Builder tokens(int vocabSize, int maxSeqLen) {
      this.vocabSize = vocabSize;
      this.maxSeqLen = maxSeqLen;
      return this;
    }

    /** The norm's kind and eps. */
    public Builder norm(NormKind norm, float eps) {
      this.norm = norm;
      this.normEps = eps;
      return this;
    }

    /** The MLP's activation, gated or plain. */
    public Builder mlp(Activation activation, boolean gated) {
      this.activation = activation;
      this.gatedMlp = gated;
      return this;
    }

    /** How positions enter. */
    public Builder positions(PositionKind positions) {
      this.positions = positions;
      return this;
    }

    /** Rotary base and scaling. */
    public Builder rope(double theta, RopeScaling scaling) {
      this.ropeTheta = theta;
      this.ropeScaling = scaling;
      return this;
    }

    /** Sliding window of {@code window} keys from layer {@code firstLayer} on; 0 for none. */
    public Builder window(int window, int firstLayer) {
      this.slidingWindow = window;
      this.firstWindowLayer = firstLayer;
      return this;
    }

    /** Which linear layers have a bias. */
    public Builder biases(boolean qkv, boolean output, boolean mlp) {
      this.qkvBias = qkv;
      this.outputBias = output;
      this.mlpBias = mlp;
      return this;
    }

    /** q and k normalised per head. */
    public Builder qkNorm(boolean qkNorm) {
      this.qkNorm = qkNorm;
      return this;
    }

    /** The head shares the embedding's matrix. */
    public Builder tied(boolean tied) {
      this.tiedEmbeddings = tied;
      return this;
    }

    /** The head's rows are normalised. */
    public Builder normalizedHead(boolean normalized) {
      this.normalizedHead = normalized;
      return this;
    }

    /** Mixture of experts. */
    public Builder experts(int nExperts, int nActive) {
      this.nExperts = nExperts;
      this.nActiveExperts = nActive;
      return this;
    }

    /** The checked configuration. */
    public ModelConfig build() {
      return new ModelConfig(
          name,
          architecture,
          nLayers,
          hiddenSize,
          intermediateSize,
          nHeads,
          nKvHeads,
          headDim,
          vocabSize,
          maxSeqLen,
          norm,
          normEps,
          activation,
          gatedMlp,
          positions,
          ropeTheta,
          ropeScaling,
          slidingWindow,
          firstWindowLayer,
          qkvBias,
          outputBias,
          mlpBias,
          qkNorm,
          tiedEmbeddings,
          normalizedHead,
          nExperts,
          nActiveExperts);
    }
  }
}
