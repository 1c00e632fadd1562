package assay.checkpoint;

import assay.model.AdapterShape;
import assay.model.AdapterSource;
import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * A LoRA adapter as PEFT writes it: {@code adapter_config.json} and {@code
 * adapter_model.safetensors}. Every tensor is found and its shape checked against the base model
 * and the ranks when it is opened; values are read from the mapped file when asked for.
 */
public final class LoraAdapter implements AdapterSource, AutoCloseable {
  private static final String WEIGHTS = "adapter_model.safetensors";
  private static final String PREFIX = "base_model.model.";

  /**
   * A module's tensors.
   *
   * @param scale alpha / rank or alpha / √rank
   */
  private record Located(SafetensorsFile.Entry down, SafetensorsFile.Entry up, double scale) {}

  private final String name;
  private final SafetensorsFile file;
  private final SequencedMap<AdapterShape.Module, Located> modules;
  private final AdapterShape shape;

  private LoraAdapter(
      String name, SafetensorsFile file, SequencedMap<AdapterShape.Module, Located> modules) {
    this.name = name;
    this.file = file;
    this.modules = modules;
    this.shape = new AdapterShape(List.copyOf(modules.keySet()));
  }

  /**
   * Opens an adapter for a base model.
   *
   * @throws UserError when it is not such an adapter, or one for another model or of another rank
   */
  public static LoraAdapter open(Path folder, ModelConfig base) {
    if (!Files.isDirectory(folder)) {
      throw new UserError(folder + ": expected a folder with " + LoraConfig.FILE);
    }
    LoraConfig config = LoraConfig.read(folder);
    Path weights = folder.resolve(WEIGHTS);
    if (!Files.exists(weights) && Files.exists(folder.resolve("adapter_model.bin"))) {
      throw new UserError(folder + ": adapter_model.bin is a pickle: expected " + WEIGHTS);
    }
    SafetensorsFile file = SafetensorsFile.open(weights);
    try {
      Path last = folder.toAbsolutePath().normalize().getFileName();
      return new LoraAdapter(
          last == null ? "adapter" : last.toString(), file, locate(file, config, base));
    } catch (Throwable t) {
      file.close();
      throw t;
    }
  }

  private static SequencedMap<AdapterShape.Module, Located> locate(
      SafetensorsFile file, LoraConfig config, ModelConfig base) {
    SequencedMap<AdapterShape.Module, Located> out = new LinkedHashMap<>();
    Set<String> used = new HashSet<>();
    for (Map.Entry<String, List<TensorSpec>> m : linearModules(base).entrySet()) {
      TensorSpec first = m.getValue().getFirst();
      String found = prefixed(file, base, m.getKey());
      String module = found == null ? TensorNames.prefixes(base)[0] + m.getKey() : found;
      if (!config.adapts(module, first.layer())) {
        continue;
      }
      if (found == null) {
        throw new UserError(
            "%s: no tensor '%s' though %s asks for it: an adapter of another model?"
                .formatted(file.path(), tensor(module, "A"), LoraConfig.FILE));
      }
      int rank = config.rank(module);
      int in = Math.toIntExact(first.columns());
      int outputs = m.getValue().stream().mapToInt(t -> Math.toIntExact(t.rows())).sum();
      Located l =
          new Located(
              entry(file, tensor(module, "A"), rank, in),
              entry(file, tensor(module, "B"), outputs, rank),
              config.scale(module));
      used.add(l.down().name());
      used.add(l.up().name());
      List<WeightRole> roles = m.getValue().stream().map(TensorSpec::role).toList();
      out.put(new AdapterShape.Module(first.layer(), roles, rank, in, outputs), l);
    }
    for (String t : file.entries().keySet()) {
      if (!used.contains(t)) {
        throw new UserError(
            "%s: tensor '%s' belongs to no linear layer of %s that %s names"
                .formatted(file.path(), LoraConfig.shortened(t), base.name(), LoraConfig.FILE));
      }
    }
    if (out.isEmpty()) {
      throw new UserError(
          "%s: its target_modules name no linear layer of %s"
              .formatted(file.path().resolveSibling(LoraConfig.FILE), base.name()));
    }
    return out;
  }

  /**
   * The linear layers of the blocks by name without the family's prefix; matrices that the family
   * stores as one are one module.
   */
  private static SequencedMap<String, List<TensorSpec>> linearModules(ModelConfig c) {
    SequencedMap<String, List<TensorSpec>> out = new LinkedHashMap<>();
    for (TensorSpec t : WeightLayout.of(c)) {
      if (t.layer() >= 0 && t.role().isMatrix() && t.role() != WeightRole.ROUTER) {
        String name = TensorNames.of(c, t).name().replaceFirst("\\.weight$", "");
        out.computeIfAbsent(name, key -> new ArrayList<>()).add(t);
      }
    }
    return out;
  }

  /** The module's full name, where the file has its A; else null. */
  private static @Nullable String prefixed(SafetensorsFile file, ModelConfig c, String module) {
    for (String prefix : TensorNames.prefixes(c)) {
      if (file.entries().containsKey(tensor(prefix + module, "A"))) {
        return prefix + module;
      }
    }
    return null;
  }

  private static String tensor(String module, String which) {
    return PREFIX + module + ".lora_" + which + ".weight";
  }

  private static SafetensorsFile.Entry entry(
      SafetensorsFile file, String name, int rows, int columns) {
    SafetensorsFile.Entry e = file.entries().get(name);
    if (e == null) {
      throw new UserError(file.path() + ": no tensor '" + name + "'");
    }
    if (!e.shape().equals(List.of((long) rows, (long) columns))) {
      throw new UserError(
          "%s: tensor '%s' is %s: the base model and the rank ask for [%d, %d]"
              .formatted(file.path(), name, e.shape(), rows, columns));
    }
    if (e.type() != DType.F32 && e.type() != DType.F16 && e.type() != DType.BF16) {
      throw new UserError(
          "%s: tensor '%s' is of type %s: expected F32, F16 or BF16"
              .formatted(file.path(), name, e.dtype()));
    }
    return e;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public AdapterShape shape() {
    return shape;
  }

  /** Bytes of its tensors in the file. */
  public long storedBytes() {
    return modules.values().stream()
        .mapToLong(l -> l.down().data().byteSize() + l.up().data().byteSize())
        .sum();
  }

  /** What B·A of a module is multiplied with. */
  public double scale(AdapterShape.Module m) {
    return at(m).scale();
  }

  @Override
  public float[] down(AdapterShape.Module m) {
    return values(at(m).down());
  }

  @Override
  public float[] up(AdapterShape.Module m) {
    float[] out = values(at(m).up());
    double scale = at(m).scale();
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) (scale * out[i]);
    }
    return out;
  }

  private Located at(AdapterShape.Module m) {
    Located l = modules.get(m);
    if (l == null) {
      throw new IllegalArgumentException("no adapter of this file: " + m);
    }
    return l;
  }

  private static float[] values(SafetensorsFile.Entry e) {
    float[] out = new float[Math.toIntExact(e.elements())];
    BlockFormat.decodeRow(
        Objects.requireNonNull(e.type(), e.name()), e.data(), 0, out.length, out, 0);
    return out;
  }

  @Override
  public Map<String, Long> nonFinite() {
    Map<String, Long> out = new TreeMap<>();
    for (Located l : modules.values()) {
      for (SafetensorsFile.Entry e : List.of(l.down(), l.up())) {
        long n = 0;
        for (float v : values(e)) {
          n += Float.isFinite(v) ? 0 : 1;
        }
        if (n > 0) {
          out.put(e.name(), n);
        }
      }
    }
    return out;
  }

  @Override
  public void close() {
    file.close();
  }
}
