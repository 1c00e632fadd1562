package assay.cli;

import assay.estimate.Capacity;
import assay.estimate.InferenceEstimate;
import assay.estimate.Parallelism;
import assay.estimate.rules.Rule;
import assay.estimate.training.TrainingEstimate;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Everything that {@code assay estimate} says of one precision.
 *
 * @param inference the prediction
 * @param capacity the largest that fits
 * @param spread how several devices share the model
 * @param bytesPerDevice on the fullest of them, overhead included
 * @param training or null where it was not asked for
 * @param fewestTraining replicas with ZeRO 3 that fit, or null
 * @param rules the panel
 */
record EstimateResult(
    InferenceEstimate inference,
    Capacity capacity,
    Parallelism spread,
    long bytesPerDevice,
    @Nullable TrainingEstimate training,
    @Nullable Integer fewestTraining,
    List<Rule> rules) {}
