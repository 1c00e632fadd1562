package assay.cli;

import assay.estimate.Capacity;
import assay.estimate.InferenceEstimate;
import assay.estimate.SharedInference;
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
 * @param training or null where it was not asked for
 * @param fewestTraining replicas with ZeRO 3 that fit, or null
 * @param sharings the ways in which the same devices could share the training; none for one device
 * @param rules the panel
 */
record EstimateResult(
    InferenceEstimate inference,
    Capacity capacity,
    SharedInference spread,
    @Nullable TrainingEstimate training,
    @Nullable Integer fewestTraining,
    List<TrainingEstimate> sharings,
    List<Rule> rules) {}
