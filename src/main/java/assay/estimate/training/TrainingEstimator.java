package assay.estimate.training;

import assay.cost.MemoryKind;
import assay.estimate.Coefficient;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.Parallelism;
import assay.estimate.Rate;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.TensorSpec;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Turns a training request into a prediction. Pure. */
public final class TrainingEstimator {
  private static final int MOST_DEVICES = 1 << 16;

  private TrainingEstimator() {}

  /** Predicts training on devices of a kind. */
  public static TrainingEstimate estimate(
      TrainingRequest r, Device device, Constants constants, Utilization utilization) {
    List<ActivationTerm> terms = ActivationTerms.of(r);
    TrainingFlops flops = TrainingFlops.of(r);
    Map<MemoryKind, Long> bytes = bytes(r, terms);
    Rate peak = device.peaks().get(r.types().arithmetic());
    List<String> warnings = new ArrayList<>();
    if (peak == null) {
      warnings.add(
          "no step time: the peak of %s arithmetic of %s is not known"
              .formatted(r.types().arithmetic().label(), device.name()));
    }
    if (r.parallelism().devices() > 1) {
      warnings.add("bytes per device and traffic over several devices are not measured here");
    }
    if (r.tokens() > r.config().maxSeqLen()) {
      warnings.add(
          "%d tokens are more than the %d that %s has positions for"
              .formatted(r.tokens(), r.config().maxSeqLen(), r.config().name()));
    }
    if (r.lora() != null && r.lora().shape() != null) {
      warnings.add(
          "activations take every layer of these adapters for the one with the most ranks");
    }
    long overhead = Math.round(constants.value(Coefficient.OVERHEAD_BYTES, r.types().arithmetic()));
    ModelConfig share = r.parallelism().share(r.config());
    return new TrainingEstimate(
        r,
        device,
        r.config().parameters(),
        TrainingFlops.trainedParameters(r),
        bytes,
        overhead,
        terms,
        flops,
        utilization,
        peak == null ? null : stepSeconds(flops, r, peak, utilization),
        Traffic.of(
            r,
            weightBytes(r, share),
            Math.multiplyExact(trained(r, share), r.types().weights().bytes(1, 1)),
            gradientBytes(r, share),
            share.nLayers()),
        warnings);
  }

  private static TrainingEstimate.Range stepSeconds(
      TrainingFlops flops, TrainingRequest r, Rate peak, Utilization u) {
    double atPeak = flops.total() / (r.parallelism().devices() * peak.perSecond());
    return new TrainingEstimate.Range(atPeak / u.high(), atPeak / u.value(), atPeak / u.low());
  }

  /** Bytes by kind on the fullest device. */
  public static Map<MemoryKind, Long> bytes(TrainingRequest r) {
    return bytes(r, ActivationTerms.of(r));
  }

  /**
   * Bytes on the fullest device. Shares of ZeRO are rounded up. With ZeRO 3 two layers' weights are
   * gathered at a time (the one computed and the next), counted as WORKSPACE; the optimiser's
   * master copy is counted as OPTIMIZER.
   */
  static Map<MemoryKind, Long> bytes(TrainingRequest r, List<ActivationTerm> terms) {
    Parallelism p = r.parallelism();
    ModelConfig share = p.share(r.config());
    Map<MemoryKind, Long> out = new EnumMap<>(MemoryKind.class);
    long weights = weightBytes(r, share);
    long gradients = gradientBytes(r, share);
    long optimizer = optimizerBytes(r, share);
    int replicas = p.data();
    int stage = replicas == 1 ? 0 : p.zeroStage();
    out.put(MemoryKind.OPTIMIZER, stage >= 1 ? Math.ceilDiv(optimizer, replicas) : optimizer);
    out.put(MemoryKind.GRADIENTS, stage >= 2 ? Math.ceilDiv(gradients, replicas) : gradients);
    out.put(MemoryKind.WEIGHTS, stage >= 3 ? Math.ceilDiv(weights, replicas) : weights);
    long gathered = stage >= 3 ? Math.min(weights, 2 * layerWeightBytes(r, share)) : 0;
    out.put(MemoryKind.WORKSPACE, gathered);
    out.put(MemoryKind.ACTIVATIONS, activationBytes(r, share, terms));
    return out;
  }

  private static long weightBytes(TrainingRequest r, ModelConfig share) {
    long sum = 0;
    for (TensorSpec t : WeightLayout.of(share)) {
      sum = Math.addExact(sum, weightBytes(r, t));
    }
    sum -= missingTable(r, share) * r.types().weights().bytes(1, 1);
    Lora lora = r.lora();
    return lora == null
        ? sum
        : Math.addExact(sum, lora.parameters(share) * r.types().weights().bytes(1, 1));
  }

  /** A frozen matrix of a block may be quantised; vectors and tables never are. */
  private static long weightBytes(TrainingRequest r, TensorSpec t) {
    Precision frozen = r.lora() == null ? null : r.lora().frozen();
    boolean block = t.layer() >= 0 && t.role().isMatrix() && t.role() != WeightRole.ROUTER;
    DType type = frozen != null && block ? frozen.weightType() : r.types().weights();
    return type.bytes(t.rows(), t.columns());
  }

  private static long layerWeightBytes(TrainingRequest r, ModelConfig share) {
    return WeightLayout.of(share).stream()
        .filter(t -> t.layer() == 0)
        .mapToLong(t -> weightBytes(r, t))
        .sum();
  }

  /** Elements of the embedding or the head that a pipeline stage does not hold. */
  private static long missingTable(TrainingRequest r, ModelConfig share) {
    boolean oneLess = r.parallelism().pipeline() > 1 && !share.tiedEmbeddings();
    return oneLess ? (long) share.vocabSize() * share.hiddenSize() : 0;
  }

  private static long trained(TrainingRequest r, ModelConfig share) {
    Lora lora = r.lora();
    return lora == null ? share.parameters() - missingTable(r, share) : lora.parameters(share);
  }

  private static long gradientBytes(TrainingRequest r, ModelConfig share) {
    return Math.multiplyExact(trained(r, share), r.types().gradients().bytes(1, 1));
  }

  private static long optimizerBytes(TrainingRequest r, ModelConfig share) {
    int numbers = r.optimizer().states() + (r.types().masterCopy() ? 1 : 0);
    return Math.multiplyExact(
        trained(r, share), Math.multiplyExact(numbers, r.types().optimizer().bytes(1, 1)));
  }

  /**
   * Full recomputation keeps each block's input and the other terms of one block; selective keeps
   * all but the attention core, and one of those. The first stage of a pipeline holds as many
   * micro-batches as there are stages (one forward, one backward: Narayanan et al. 2021); logits
   * are the last stage's.
   */
  static long activationBytes(TrainingRequest r, ModelConfig share, List<ActivationTerm> terms) {
    long layers = share.nLayers();
    long layer = ActivationTerms.layerBytes(terms);
    long core =
        terms.stream().filter(ActivationTerm::attentionCore).mapToLong(ActivationTerm::bytes).sum();
    long input =
        Math.multiplyExact(r.rows() * share.hiddenSize(), r.types().activations().bytes(1, 1));
    long kept;
    long working;
    switch (r.recomputation()) {
      case NONE -> {
        kept = Math.multiplyExact(layers, layer);
        working = 0;
      }
      case SELECTIVE -> {
        kept = Math.multiplyExact(layers, layer - core);
        working = core;
      }
      default -> {
        kept = Math.multiplyExact(layers, input);
        // The input is kept already, the block at work has no second one.
        working = layer - input;
      }
    }
    long outside = ActivationTerms.outsideBytes(terms);
    int stages = r.parallelism().pipeline();
    if (stages == 1) {
      return Math.addExact(Math.addExact(kept, working), outside);
    }
    long inFlight = Math.min(stages, r.accumulation());
    long first = Math.addExact(Math.multiplyExact(kept, inFlight), working);
    long last = Math.addExact(Math.addExact(kept, working), outside);
    return Math.max(first, last);
  }

  /**
   * The smallest number of data-parallel devices with ZeRO 3 on which one micro-batch each fits, or
   * null when activations alone do not, or the device's memory is not known.
   */
  public static @Nullable Integer fewestDevices(
      TrainingRequest r, Device device, Constants constants) {
    Long memory = device.memoryBytes();
    if (memory == null) {
      return null;
    }
    List<ActivationTerm> terms = ActivationTerms.of(r.with(Parallelism.NONE));
    long room =
        memory - Math.round(constants.value(Coefficient.OVERHEAD_BYTES, r.types().arithmetic()));
    if (replicaBytes(r, terms, 1) <= room) {
      return 1;
    }
    int fits = MOST_DEVICES;
    if (replicaBytes(r, terms, fits) > room) {
      return null;
    }
    int doesNot = 1;
    while (fits - doesNot > 1) {
      int middle = (fits + doesNot) / 2;
      if (replicaBytes(r, terms, middle) <= room) {
        fits = middle;
      } else {
        doesNot = middle;
      }
    }
    return fits;
  }

  private static long replicaBytes(TrainingRequest r, List<ActivationTerm> terms, int replicas) {
    TrainingRequest spread = r.with(new Parallelism(replicas, 3, 1, 1));
    return bytes(spread, terms).values().stream().mapToLong(Long::longValue).sum();
  }
}
