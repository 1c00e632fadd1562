package assay.model;

import static assay.model.WeightRole.*;

import java.util.ArrayList;
import java.util.List;

/** The weight tensors of a configuration, in the order of the forward pass. */
public final class WeightLayout {
  private WeightLayout() {}

  /** Every tensor of the model once; a tied head is not listed. */
  public static List<TensorSpec> of(ModelConfig c) {
    List<TensorSpec> out = new ArrayList<>();
    out.add(new TensorSpec(EMBEDDING, -1, c.vocabSize(), c.hiddenSize()));
    if (c.positions() == PositionKind.LEARNED) {
      out.add(new TensorSpec(POSITION_EMBEDDING, -1, c.maxSeqLen(), c.hiddenSize()));
    }
    for (int layer = 0; layer < c.nLayers(); layer++) {
      addLayer(out, c, layer);
    }
    out.add(vector(FINAL_NORM, -1, c.hiddenSize()));
    if (c.norm() == NormKind.LAYER) {
      out.add(vector(FINAL_NORM_BIAS, -1, c.hiddenSize()));
    }
    if (!c.tiedEmbeddings()) {
      out.add(new TensorSpec(HEAD, -1, c.vocabSize(), c.hiddenSize()));
    }
    return List.copyOf(out);
  }

  private static void addLayer(List<TensorSpec> out, ModelConfig c, int layer) {
    long h = c.hiddenSize();
    long inner = Math.multiplyExact((long) c.nExperts(), (long) c.intermediateSize());
    boolean layerNorm = c.norm() == NormKind.LAYER;
    out.add(vector(ATTENTION_NORM, layer, h));
    if (layerNorm) {
      out.add(vector(ATTENTION_NORM_BIAS, layer, h));
    }
    out.add(new TensorSpec(Q, layer, c.qDim(), h));
    out.add(new TensorSpec(K, layer, c.kvDim(), h));
    out.add(new TensorSpec(V, layer, c.kvDim(), h));
    if (c.qkvBias()) {
      out.add(vector(Q_BIAS, layer, c.qDim()));
      out.add(vector(K_BIAS, layer, c.kvDim()));
      out.add(vector(V_BIAS, layer, c.kvDim()));
    }
    if (c.qkNorm()) {
      out.add(vector(Q_NORM, layer, c.headDim()));
      out.add(vector(K_NORM, layer, c.headDim()));
    }
    out.add(new TensorSpec(O, layer, h, c.qDim()));
    if (c.outputBias()) {
      out.add(vector(O_BIAS, layer, h));
    }
    out.add(vector(MLP_NORM, layer, h));
    if (layerNorm) {
      out.add(vector(MLP_NORM_BIAS, layer, h));
    }
    if (c.nExperts() > 1) {
      out.add(new TensorSpec(ROUTER, layer, c.nExperts(), h));
    }
    if (c.gatedMlp()) {
      out.add(new TensorSpec(GATE, layer, inner, h));
    }
    out.add(new TensorSpec(UP, layer, inner, h));
    out.add(
        new TensorSpec(
            DOWN, layer, Math.multiplyExact((long) c.nExperts(), h), c.intermediateSize()));
    if (c.mlpBias()) {
      if (c.gatedMlp()) {
        out.add(vector(GATE_BIAS, layer, inner));
      }
      out.add(vector(UP_BIAS, layer, inner));
      out.add(vector(DOWN_BIAS, layer, Math.multiplyExact((long) c.nExperts(), h)));
    }
  }

  private static TensorSpec vector(WeightRole role, int layer, long length) {
    return new TensorSpec(role, layer, 1, length);
  }
}
