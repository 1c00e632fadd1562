package assay.results;

import org.jspecify.annotations.Nullable;

/**
 * The model's shape.
 *
 * @param name what the user calls it
 * @param architecture family
 * @param parameters every stored weight once, tied embeddings once
 * @param layers transformer blocks
 * @param hiddenSize width of the residual stream
 * @param intermediateSize inner width of the MLP
 * @param heads query heads
 * @param kvHeads key/value heads
 * @param headDim elements per head
 * @param vocabulary rows of the embedding matrix
 * @param weights {@code random} or {@code checkpoint}
 */
public record ModelFacts(
    String name,
    @Nullable String architecture,
    @Nullable Long parameters,
    @Nullable Integer layers,
    @Nullable Integer hiddenSize,
    @Nullable Integer intermediateSize,
    @Nullable Integer heads,
    @Nullable Integer kvHeads,
    @Nullable Integer headDim,
    @Nullable Integer vocabulary,
    @Nullable String weights) {
  /** Checks the name and the count. */
  public ModelFacts {
    Numbers.present("model.name", name);
    Numbers.count("model.parameters", parameters);
  }
}
