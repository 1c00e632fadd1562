package assay.backend;

import assay.model.ModelConfig;
import assay.model.Precision;

/**
 * The largest that a session will ask for, so that a back end can reserve its scratch memory once.
 *
 * @param config the model
 * @param precision how weights are stored
 * @param batch sequences
 * @param maxSeqLen slots per sequence
 * @param maxPassTokens tokens per sequence in one pass
 * @param maxLogitRows rows of logits in one pass
 */
public record SessionShape(
    ModelConfig config,
    Precision precision,
    int batch,
    int maxSeqLen,
    int maxPassTokens,
    int maxLogitRows) {}
