package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * One way of storing a model's weights against the reference precision of the same model, on the
 * same text.
 *
 * @param schema {@link ResultRow#SCHEMA}
 * @param time when, ISO 8601 in UTC
 * @param environment the machine and the program
 * @param model the model's shape
 * @param variant what was tried: int8, int4 gptq, fp32 pruned 50 %, …
 * @param reference what it is compared with
 * @param arithmetic in words, what matrix products of a prefill computed in
 * @param tokens predicted tokens that the quality figures rest on
 * @param windowTokens length of a window
 * @param strideTokens tokens that each further window adds
 * @param predictedWeightsBytes from the formats' sizes
 * @param weightsBytes really allocated
 * @param kvCacheBytes really allocated, for one window
 * @param exactZeroFraction of all weights, exactly zero
 * @param prefillTokensPerSecond median
 * @param decodeTokensPerSecond median
 * @param klMeanNats mean over tokens of KL(reference ‖ variant) of the next-token distributions
 * @param klP99Nats its 99th percentile
 * @param top1Agreement share of tokens where both find the same token most probable
 * @param perplexity e to the mean negative log-probability of the text's own next token; on random
 *     ids it means nothing
 * @param worstLayer block whose residual stream is farthest from the reference's, first block 0
 * @param worstLayerError its relative L2 distance
 * @param command what repeats it
 */
public record Comparison(
    int schema,
    String time,
    Environment environment,
    ModelFacts model,
    String variant,
    String reference,
    @Nullable String arithmetic,
    int tokens,
    int windowTokens,
    int strideTokens,
    long predictedWeightsBytes,
    long weightsBytes,
    long kvCacheBytes,
    @Nullable Double exactZeroFraction,
    @Nullable Double prefillTokensPerSecond,
    @Nullable Double decodeTokensPerSecond,
    double klMeanNats,
    double klP99Nats,
    double top1Agreement,
    @Nullable Double perplexity,
    int worstLayer,
    double worstLayerError,
    String command) {

  /** Checks the numbers: a comparison of NaN says nothing. */
  public Comparison {
    Numbers.present("model", model);
    Numbers.present("variant", variant);
    Numbers.fraction("kl_mean_nats", klMeanNats);
    Numbers.fraction("kl_p99_nats", klP99Nats);
    Numbers.fraction("top1_agreement", top1Agreement);
    Numbers.positive("perplexity", perplexity);
    Numbers.fraction("worst_layer_error", worstLayerError);
  }
}
