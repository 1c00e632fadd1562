package assay.estimate;

import assay.model.ModelConfig;
import org.jspecify.annotations.Nullable;

/**
 * Inference on several devices that share the model. Times are those of one device's share,
 * exchange not counted: what is sent stands beside them, and no host with several devices has
 * measured it.
 *
 * @param parallelism how they share
 * @param bytesPerDevice on the fullest of them, overhead included
 * @param prefillSeconds of the prompt, without exchange; null where the device is not known
 * @param decodeSecondsPerToken of a step, without exchange; null where not known or no step is made
 * @param prefillBytesSent by one device for the prompt
 * @param decodeBytesSent by one device in a decode step
 */
public record SharedInference(
    Parallelism parallelism,
    long bytesPerDevice,
    @Nullable Double prefillSeconds,
    @Nullable Double decodeSecondsPerToken,
    long prefillBytesSent,
    long decodeBytesSent) {

  /**
   * Predicts it. A pipeline makes one sequence no faster: its stages work one after the other, so
   * only tensor parallelism shortens a pass.
   */
  public static SharedInference of(
      InferenceRequest r, Parallelism p, Device device, Constants constants) {
    long bytes =
        Math.addExact(
            Capacity.bytesPerDevice(r, r.size().batch(), r.size().contextTokens(), p),
            Math.round(constants.value(Coefficient.OVERHEAD_BYTES, r.precision())));
    Parallelism tensorOnly = new Parallelism(1, 0, p.tensor(), 1);
    InferenceEstimate share = Estimator.inference(r.share(tensorOnly), device, constants);
    long prompt = Math.multiplyExact((long) r.size().batch(), r.workload().promptTokens());
    return new SharedInference(
        p,
        bytes,
        share.prefillSeconds(),
        share.decodeSecondsPerToken(),
        sent(r, p, prompt),
        sent(r, p, r.size().batch()));
  }

  /**
   * Bytes that one device sends for so many rows: two all-reduces a layer (after o and down;
   * Shoeybi et al. 2019) over a ring, 2·X·(n−1)/n each, and a block's output to the next stage.
   */
  private static long sent(InferenceRequest r, Parallelism p, long rows) {
    ModelConfig c = r.config();
    long x =
        Math.multiplyExact(
            Math.multiplyExact(rows, (long) c.hiddenSize()),
            r.size().types().activations().bytes(1, 1));
    long layers = Math.ceilDiv(c.nLayers(), p.pipeline());
    long reduced =
        p.tensor() == 1 ? 0 : Math.round(2.0 * layers * 2 * x * (p.tensor() - 1) / p.tensor());
    return Math.addExact(reduced, p.pipeline() == 1 ? 0 : x);
  }
}
