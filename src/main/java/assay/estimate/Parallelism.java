package assay.estimate;

import assay.model.AdapterShape;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How work is spread over devices.
 *
 * @param data replicas that see different sequences
 * @param zeroStage what the replicas share out: 0 nothing (DDP), 1 the optimiser's state, 2 also
 *     gradients, 3 also weights (FSDP) (Rajbhandari et al. 2020)
 * @param tensor devices that share each matrix (Shoeybi et al. 2019)
 * @param pipeline devices that each hold a run of layers (Narayanan et al. 2021)
 */
public record Parallelism(int data, int zeroStage, int tensor, int pipeline) {
  /** One device. */
  public static final Parallelism NONE = new Parallelism(1, 0, 1, 1);

  /** Checks the counts. */
  public Parallelism {
    if (data < 1 || tensor < 1 || pipeline < 1) {
      throw new UserError(
          "data %d, tensor %d, pipeline %d: expected 1 or more each"
              .formatted(data, tensor, pipeline));
    }
    if (zeroStage < 0 || zeroStage > 3) {
      throw new UserError("ZeRO stage %d: expected 0 to 3".formatted(zeroStage));
    }
  }

  /** Devices in all. */
  public int devices() {
    return Math.multiplyExact(Math.multiplyExact(data, tensor), pipeline);
  }

  /**
   * The model that one device of a tensor and pipeline group holds: its share of the heads, of the
   * MLP's width and of the vocabulary, and the longest run of layers. Keys and values are repeated
   * where there are fewer heads than devices.
   *
   * @throws UserError when the heads do not divide
   */
  public ModelConfig share(ModelConfig c) {
    if (pipeline > c.nLayers()) {
      throw new UserError(
          "%d pipeline stages for %d layers: expected at most one a layer"
              .formatted(pipeline, c.nLayers()));
    }
    boolean kvDivides = c.nKvHeads() % tensor == 0 || tensor % c.nKvHeads() == 0;
    if (c.nHeads() % tensor != 0 || !kvDivides) {
      throw new UserError(
          "%d heads and %d key/value heads of %s over %d devices: expected a number that divides"
              .formatted(c.nHeads(), c.nKvHeads(), c.name(), tensor));
    }
    int heads = c.nHeads() / tensor;
    int kvHeads = Math.max(1, c.nKvHeads() / tensor);
    return c.toBuilder()
        .size(
            Math.ceilDiv(c.nLayers(), pipeline),
            c.hiddenSize(),
            Math.ceilDiv(c.intermediateSize(), tensor))
        .heads(heads, kvHeads, c.headDim())
        .tokens(Math.ceilDiv(c.vocabSize(), tensor), c.maxSeqLen())
        .build();
  }

  /**
   * The adapters beside that share's matrices, of its layers; matrices are split by their outputs,
   * o and down by their inputs.
   */
  public AdapterShape share(AdapterShape adapter, ModelConfig c) {
    Map<List<Object>, TensorSpec> tensors = new HashMap<>();
    for (TensorSpec t : WeightLayout.of(share(c))) {
      tensors.put(List.of(t.layer(), t.role()), t);
    }
    List<AdapterShape.Module> out = new ArrayList<>();
    for (AdapterShape.Module m : adapter.modules()) {
      List<TensorSpec> beside = new ArrayList<>();
      for (WeightRole role : m.roles()) {
        TensorSpec t = tensors.get(List.<Object>of(m.layer(), role));
        if (t != null) {
          beside.add(t);
        }
      }
      if (!beside.isEmpty()) {
        int inputs = Math.toIntExact(beside.getFirst().columns());
        int outputs = Math.toIntExact(beside.stream().mapToLong(TensorSpec::rows).sum());
        out.add(new AdapterShape.Module(m.layer(), m.roles(), m.rank(), inputs, outputs));
      }
    }
    return new AdapterShape(out);
  }

  /**
   * Parameters of that share: a stage holds the embedding or the head, not both (the first and the
   * last hold a tied one each).
   */
  public long parameters(ModelConfig c) {
    ModelConfig share = share(c);
    long table = (long) share.vocabSize() * share.hiddenSize();
    boolean oneTableLess = pipeline > 1 && !c.tiedEmbeddings();
    return share.parameters() - (oneTableLess ? table : 0);
  }

  /** In words: {@code 4 data (ZeRO 3) × 2 tensor}. */
  public String describe() {
    if (devices() == 1) {
      return "one device";
    }
    StringBuilder s = new StringBuilder();
    if (data > 1) {
      s.append(data).append(" data").append(zeroStage > 0 ? " (ZeRO " + zeroStage + ")" : "");
    }
    if (tensor > 1) {
      s.append(s.isEmpty() ? "" : " × ").append(tensor).append(" tensor");
    }
    if (pipeline > 1) {
      s.append(s.isEmpty() ? "" : " × ").append(pipeline).append(" pipeline");
    }
    return s.toString();
  }
}
