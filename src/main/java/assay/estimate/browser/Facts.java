package assay.estimate.browser;

import assay.estimate.Coefficient;
import assay.estimate.Constant;
import assay.estimate.Constants;
import assay.estimate.Device;
import assay.estimate.DeviceKind;
import assay.estimate.Rate;
import assay.model.Activation;
import assay.model.AdapterShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.NormKind;
import assay.model.PositionKind;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.WeightRole;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What does not change while somebody plays with a page: the model, a device, constants. Each is
 * written and read here, so that the two sides agree. Rotary base and scaling and the norm's eps
 * stay behind: they cost nothing.
 */
public final class Facts {
  private static final String OWN = "own";

  private Facts() {}

  // ---- the model

  /** A model as lines, with the adapters beside it. */
  public static String write(ModelConfig c, @Nullable AdapterShape adapter) {
    Fields f = model(c);
    int at = 0;
    for (AdapterShape.Module m :
        adapter == null ? List.<AdapterShape.Module>of() : adapter.modules()) {
      String roles = String.join(" ", m.roles().stream().map(WeightRole::name).toList());
      f.put(
          "adapter." + at++,
          m.layer() + "," + roles + "," + m.rank() + "," + m.inputs() + "," + m.outputs());
    }
    return f.toString();
  }

  /** Null where the lines have none. */
  static @Nullable AdapterShape adapter(String text) {
    Fields f = Fields.parse(text);
    List<AdapterShape.Module> out = new ArrayList<>();
    for (String at : f.below("adapter.")) {
      String[] part = f.need("adapter." + at).split(",");
      List<WeightRole> roles = new ArrayList<>();
      for (String role : part[1].split(" ")) {
        roles.add(WeightRole.valueOf(role));
      }
      out.add(
          new AdapterShape.Module(
              Integer.parseInt(part[0]),
              roles,
              Integer.parseInt(part[2]),
              Integer.parseInt(part[3]),
              Integer.parseInt(part[4])));
    }
    return out.isEmpty() ? null : new AdapterShape(out);
  }

  private static Fields model(ModelConfig c) {
    return new Fields()
        .put("name", c.name())
        .put("architecture", c.architecture())
        .put("layers", c.nLayers())
        .put("hidden", c.hiddenSize())
        .put("intermediate", c.intermediateSize())
        .put("heads", c.nHeads())
        .put("kv_heads", c.nKvHeads())
        .put("head_dim", c.headDim())
        .put("vocabulary", c.vocabSize())
        .put("positions", c.maxSeqLen())
        .put("norm", c.norm())
        .put("activation", c.activation())
        .put("gated", c.gatedMlp())
        .put("position_kind", c.positions())
        .put("window", c.slidingWindow())
        .put("first_window_layer", c.firstWindowLayer())
        .put("qkv_bias", c.qkvBias())
        .put("output_bias", c.outputBias())
        .put("mlp_bias", c.mlpBias())
        .put("qk_norm", c.qkNorm())
        .put("tied", c.tiedEmbeddings())
        .put("normalized_head", c.normalizedHead())
        .put("experts", c.nExperts())
        .put("active_experts", c.nActiveExperts());
  }

  static ModelConfig model(String text) {
    Fields f = Fields.parse(text);
    return ModelConfig.builder(f.need("name"), f.need("architecture"))
        .size(f.integer("layers"), f.integer("hidden"), f.integer("intermediate"))
        .heads(f.integer("heads"), f.integer("kv_heads"), f.integer("head_dim"))
        .tokens(f.integer("vocabulary"), f.integer("positions"))
        .norm(NormKind.valueOf(f.need("norm")), 1e-5f)
        .mlp(Activation.valueOf(f.need("activation")), f.truth("gated"))
        .positions(PositionKind.valueOf(f.need("position_kind")))
        .window(f.integer("window"), f.integer("first_window_layer"))
        .biases(f.truth("qkv_bias"), f.truth("output_bias"), f.truth("mlp_bias"))
        .qkNorm(f.truth("qk_norm"))
        .tied(f.truth("tied"))
        .normalizedHead(f.truth("normalized_head"))
        .experts(f.integer("experts"), f.integer("active_experts"))
        .build();
  }

  // ---- a device with its constants

  /**
   * A device as lines, with the constants that differ from the defaults of its kind.
   *
   * @param constants used there
   */
  public static String write(Device d, Constants constants) {
    Fields f =
        new Fields()
            .put("name", d.name())
            .put("kind", d.kind())
            .put("architecture", d.architecture())
            .put("memory", d.memoryBytes());
    if (d.bandwidth() != null) {
      f.put("bandwidth", d.bandwidth().perSecond());
    }
    if (d.cache() != null) {
      f.put("cache", d.cache().bytes());
      f.put("cache_bandwidth", d.cache().bandwidth().perSecond());
    }
    for (Precision p : Precision.values()) {
      Rate peak = d.peaks().get(p);
      if (peak != null) {
        f.put("peak." + p.label(), peak.perSecond());
      }
    }
    f.put("constants", constants.name());
    for (Constant c : constants.all()) {
      if (c.origin() != Constant.Origin.DEFAULT) {
        f.put(OWN + "." + c.key(), c.value());
      }
    }
    return f.toString();
  }

  static Device device(String text) {
    Fields f = Fields.parse(text);
    Map<Precision, Rate> peaks = new EnumMap<>(Precision.class);
    for (String label : f.below("peak.")) {
      peaks.put(Precision.of(label), rate(f.number("peak." + label)));
    }
    Double memory = f.maybe("memory");
    Double bandwidth = f.maybe("bandwidth");
    Double cache = f.maybe("cache");
    return new Device(
        f.need("name"),
        DeviceKind.valueOf(f.need("kind")),
        f.need("architecture"),
        memory == null ? null : Long.valueOf(f.wholeNumber("memory")),
        bandwidth == null ? null : rate(bandwidth),
        cache == null ? null : cache(f),
        peaks,
        null,
        List.of());
  }

  private static Device.Cache cache(Fields f) {
    return new Device.Cache(f.wholeNumber("cache"), rate(f.number("cache_bandwidth")));
  }

  private static Rate rate(double perSecond) {
    return new Rate(perSecond, "as the page was made", false);
  }

  static Constants constants(String text) {
    Fields f = Fields.parse(text);
    List<Constant> own = new ArrayList<>();
    Set<String> open = new TreeSet<>(f.below(OWN + "."));
    for (Coefficient c : Coefficient.values()) {
      own(f, c, Constant.ALL, open, own);
      for (Precision p : Precision.values()) {
        own(f, c, p.label(), open, own);
      }
    }
    if (!open.isEmpty()) {
      throw new IllegalStateException("constants of no known name: " + open);
    }
    Constants defaults = Constants.defaults(DeviceKind.valueOf(f.need("kind")));
    return own.isEmpty() ? defaults : defaults.with(f.need("constants"), own);
  }

  private static void own(
      Fields f, Coefficient c, String scope, Set<String> open, List<Constant> out) {
    String key = Constant.key(c, scope);
    Double value = f.maybe(OWN + "." + key);
    if (value != null) {
      open.remove(key);
      out.add(new Constant(c, scope, value, Constant.Origin.CALIBRATED, "calibrated", null));
    }
  }

  /** Kinds of training's types of storage by name; null leaves the default. */
  static @Nullable DType plainType(@Nullable String name) {
    return name == null || name.equals("own")
        ? null
        : switch (name) {
          case "fp32" -> DType.F32;
          case "fp16" -> DType.F16;
          case "bf16" -> DType.BF16;
          default -> throw new UserError("type " + name + ": expected fp32, fp16 or bf16");
        };
  }
}
