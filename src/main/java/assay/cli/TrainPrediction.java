package assay.cli;

import assay.estimate.training.ActivationTerms;
import assay.estimate.training.Recomputation;
import assay.estimate.training.TrainingFlops;
import assay.estimate.training.TrainingRequest;
import assay.estimate.training.TrainingTypes;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.tensor.MemoryCategory;
import java.util.EnumMap;
import java.util.Map;

/**
 * What the estimator says of a training step, which knows nothing of the step's own allocations:
 * there is none for the workspace.
 *
 * @param bytes by category
 * @param flops of one step
 */
record TrainPrediction(Map<MemoryCategory, Long> bytes, long flops) {
  static TrainPrediction of(ModelConfig c, int batch, int tokens, boolean recompute) {
    TrainingRequest request =
        TrainingRequest.of(c, TrainingTypes.of(Precision.FP32), batch, tokens)
            .with(recompute ? Recomputation.FULL : Recomputation.NONE);
    var terms = ActivationTerms.of(request);
    long layer = ActivationTerms.layerBytes(terms);
    long layers = c.nLayers();
    long inputs =
        Math.multiplyExact(4 * layers, Math.multiplyExact(request.rows(), c.hiddenSize()));
    long kept = recompute ? Math.addExact(inputs, layer) : Math.multiplyExact(layers, layer);
    Map<MemoryCategory, Long> bytes = new EnumMap<>(MemoryCategory.class);
    bytes.put(MemoryCategory.WEIGHTS, 4 * c.parameters());
    bytes.put(MemoryCategory.GRADIENTS, 4 * c.parameters());
    bytes.put(MemoryCategory.OPTIMIZER, 8 * c.parameters());
    bytes.put(MemoryCategory.ACTIVATIONS, Math.addExact(kept, ActivationTerms.outsideBytes(terms)));
    return new TrainPrediction(bytes, TrainingFlops.of(request).total());
  }
}
