package assay.engine;

import assay.backend.SamplingSpec;
import assay.model.DType;
import assay.model.Precision;
import assay.model.UserError;
import java.util.function.Consumer;

/**
 * What a session is made for; all memory follows from it.
 *
 * @param precision how weight matrices are stored
 * @param kvType storage of the KV cache
 * @param batch sequences
 * @param maxSeqLen slots of the KV cache per sequence
 * @param maxPassTokens tokens per sequence in one pass; longer prompts go in chunks
 * @param logitRows rows of logits computed at once; at least the batch
 * @param maxDraws tokens that can be sampled per sequence
 * @param sampling how the next token is chosen
 * @param seed of the random numbers for sampling
 * @param causal false lets every query see every key (with a mask matrix, exactly what it allows)
 * @param attention tiled or stored scores
 * @param storedTypes keep weight matrices in the type of their source (quantised checkpoints)
 *     instead of the precision's
 */
public record SessionOptions(
    Precision precision,
    DType kvType,
    int batch,
    int maxSeqLen,
    int maxPassTokens,
    int logitRows,
    int maxDraws,
    SamplingSpec sampling,
    long seed,
    boolean causal,
    AttentionPath attention,
    boolean storedTypes) {

  /** Checks the counts. */
  public SessionOptions {
    if (batch < 1 || maxSeqLen < 1 || maxPassTokens < 1 || maxDraws < 1) {
      throw new UserError(
          "batch %d, context %d, pass %d, draws %d: expected 1 or more each"
              .formatted(batch, maxSeqLen, maxPassTokens, maxDraws));
    }
    if (logitRows < batch) {
      throw new UserError(
          "logit rows %d: expected at least the batch %d".formatted(logitRows, batch));
    }
    maxPassTokens = Math.min(maxPassTokens, maxSeqLen);
  }

  /**
   * Greedy decoding of {@code batch} sequences of up to {@code maxSeqLen} tokens, prompts in chunks
   * of up to 512.
   */
  public static SessionOptions of(Precision precision, int batch, int maxSeqLen) {
    return new SessionOptions(
        precision,
        precision.kvCacheType(),
        batch,
        maxSeqLen,
        512,
        batch,
        maxSeqLen,
        SamplingSpec.GREEDY,
        1,
        true,
        AttentionPath.TILED,
        false);
  }

  /** The same with another KV cache type. */
  public SessionOptions withKvType(DType type) {
    return with(d -> d.kvType = type);
  }

  /** The same for another number of sequences, another context and other passes. */
  public SessionOptions withShape(int batch, int maxSeqLen, int maxPassTokens) {
    return with(
        d -> {
          d.batch = batch;
          d.maxSeqLen = maxSeqLen;
          d.maxPassTokens = maxPassTokens;
          d.logitRows = batch;
          d.maxDraws = maxSeqLen;
        });
  }

  /** The same with passes of another length. */
  public SessionOptions withMaxPassTokens(int tokens) {
    return with(d -> d.maxPassTokens = tokens);
  }

  /** The same with room for more rows of logits at once. */
  public SessionOptions withLogitRows(int rows) {
    return with(d -> d.logitRows = rows);
  }

  /** The same with another sampling. */
  public SessionOptions withSampling(SamplingSpec spec, long seed) {
    return with(
        d -> {
          d.sampling = spec;
          d.seed = seed;
        });
  }

  /** The same with or without the causal mask. */
  public SessionOptions withCausal(boolean causal) {
    return with(d -> d.causal = causal);
  }

  /** The same with another way of attention. */
  public SessionOptions withAttention(AttentionPath path) {
    return with(d -> d.attention = path);
  }

  /** The same with matrices in the types of their source. */
  public SessionOptions withStoredTypes(boolean storedTypes) {
    return with(d -> d.storedTypes = storedTypes);
  }

  private SessionOptions with(Consumer<Draft> change) {
    Draft draft = new Draft(this);
    change.accept(draft);
    return draft.finished();
  }

  /** The fields while one of them changes, so that no other has to be named. */
  private static final class Draft {
    private final Precision precision;
    private DType kvType;
    private int batch;
    private int maxSeqLen;
    private int maxPassTokens;
    private int logitRows;
    private int maxDraws;
    private SamplingSpec sampling;
    private long seed;
    private boolean causal;
    private AttentionPath attention;
    private boolean storedTypes;

    Draft(SessionOptions o) {
      precision = o.precision;
      kvType = o.kvType;
      batch = o.batch;
      maxSeqLen = o.maxSeqLen;
      maxPassTokens = o.maxPassTokens;
      logitRows = o.logitRows;
      maxDraws = o.maxDraws;
      sampling = o.sampling;
      seed = o.seed;
      causal = o.causal;
      attention = o.attention;
      storedTypes = o.storedTypes;
    }

    SessionOptions finished() {
      return new SessionOptions(
          precision,
          kvType,
          batch,
          maxSeqLen,
          maxPassTokens,
          logitRows,
          maxDraws,
          sampling,
          seed,
          causal,
          attention,
          storedTypes);
    }
  }
}
