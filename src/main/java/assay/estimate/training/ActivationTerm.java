package assay.estimate.training;

/**
 * One tensor that the forward pass keeps for the backward pass.
 *
 * @param name what it is
 * @param formula its bytes in symbols: b batch, s tokens, h hidden size, q and kv width of query
 *     and key heads, i width of the MLP, a heads, r rank, V vocabulary, p bytes of an activation
 * @param bytes of one layer, or of all where it is outside the layers
 * @param perLayer true when every layer has one
 * @param attentionCore true for what grows with s², which selective recomputation drops
 * @param why what the backward pass needs it for
 */
public record ActivationTerm(
    String name, String formula, long bytes, boolean perLayer, boolean attentionCore, String why) {}
