package assay.checkpoint;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightRole;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeSet;
import java.util.concurrent.atomic.LongAdder;
import tools.jackson.databind.JsonNode;

/**
 * A folder with config.json and safetensors, sharded or not, as a source of weights. All tensors
 * are found and their shapes checked when it is opened.
 */
public final class SafetensorsModel implements WeightSource {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  private record Located(SafetensorsFile.Entry entry, TensorNames.Place place, DType type) {}

  private final ModelConfig config;
  private final List<SafetensorsFile> files;
  private final SequencedMap<String, SafetensorsFile.Entry> entries = new LinkedHashMap<>();
  private final Map<TensorSpec, Located> located = new HashMap<>();
  private final Map<String, LongAdder> nonFinite;

  private SafetensorsModel(Path folder, ModelConfig config, List<SafetensorsFile> files) {
    this.config = config;
    this.files = files;
    this.nonFinite = new java.util.concurrent.ConcurrentHashMap<>();
    for (SafetensorsFile f : files) {
      for (SafetensorsFile.Entry e : f.entries().values()) {
        if (entries.put(e.name(), e) != null) {
          throw new UserError(folder + ": tensor '" + e.name() + "' stands in two files");
        }
      }
    }
    for (TensorSpec t : WeightLayout.of(config)) {
      located.put(t, locate(folder, t));
    }
  }

  /**
   * Opens a folder.
   *
   * @throws UserError when a file or tensor is missing or does not agree with config.json
   */
  public static SafetensorsModel open(Path folder) {
    Path name = folder.toAbsolutePath().normalize().getFileName();
    ModelConfig config =
        HuggingFaceConfig.read(
            folder.resolve("config.json"), name == null ? "model" : name.toString());
    List<SafetensorsFile> files = new ArrayList<>();
    try {
      for (Path shard : shards(folder)) {
        files.add(SafetensorsFile.open(shard));
      }
      return new SafetensorsModel(folder, config, List.copyOf(files));
    } catch (Throwable t) {
      files.forEach(SafetensorsFile::close);
      throw t;
    }
  }

  private static List<Path> shards(Path folder) {
    Path index = folder.resolve(INDEX);
    if (Files.exists(folder.resolve(SINGLE)) || !Files.exists(index)) {
      return List.of(folder.resolve(SINGLE));
    }
    JsonNode map = JsonObject.read(index).node().path("weight_map");
    if (!map.isObject() || map.isEmpty()) {
      throw new UserError(index + ": no weight_map");
    }
    TreeSet<String> names = new TreeSet<>();
    for (JsonNode n : map) {
      String shard = n.isString() ? n.stringValue() : "";
      if (shard.isEmpty() || shard.contains("/") || shard.contains("\\")) {
        throw new UserError(index + ": weight_map names " + n + ": expected a file of the folder");
      }
      names.add(shard);
    }
    List<Path> out = new ArrayList<>();
    for (String shard : names) {
      if (!Files.exists(folder.resolve(shard))) {
        throw new UserError(index + ": names the shard " + shard + ", which is not there");
      }
      out.add(folder.resolve(shard));
    }
    return out;
  }

  private Located locate(Path folder, TensorSpec t) {
    TensorNames.Place place = TensorNames.of(config, t);
    SafetensorsFile.Entry e = find(t, place);
    if (e == null) {
      throw new UserError(
          "%s: no tensor '%s' for %s"
              .formatted(folder, TensorNames.prefixes(config)[0] + place.name(), t));
    }
    List<Long> expected =
        !t.role().isMatrix()
            ? List.of(place.storedOutputs())
            : place.transposed()
                ? List.of(t.columns(), place.storedOutputs())
                : List.of(place.storedOutputs(), t.columns());
    if (!e.shape().equals(expected)) {
      throw new UserError(
          "%s: tensor '%s' is %s: config.json asks for %s"
              .formatted(folder, e.name(), e.shape(), expected));
    }
    DType type = e.type();
    if (type != DType.F32 && type != DType.F16 && type != DType.BF16) {
      throw new UserError(
          "%s: tensor '%s' is of type %s: expected F32, F16 or BF16"
              .formatted(folder, e.name(), e.dtype()));
    }
    return new Located(e, place, type);
  }

  private SafetensorsFile.@org.jspecify.annotations.Nullable Entry find(
      TensorSpec t, TensorNames.Place place) {
    if (t.role() == WeightRole.HEAD && entries.containsKey(place.name())) {
      return entries.get(place.name());
    }
    for (String prefix : TensorNames.prefixes(config)) {
      SafetensorsFile.Entry e = entries.get(prefix + place.name());
      if (e != null) {
        return e;
      }
    }
    return null;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String kind() {
    return "checkpoint";
  }

  /** Every tensor of the files, also those that the model does not use. */
  public SequencedMap<String, SafetensorsFile.Entry> entries() {
    return entries;
  }

  /** The name that a weight has in the files. */
  public String nameOf(TensorSpec spec) {
    return at(spec).entry().name();
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return at(spec).type();
  }

  private Located at(TensorSpec spec) {
    Located l = located.get(spec);
    if (l == null) {
      throw new IllegalArgumentException("not a tensor of this model: " + spec);
    }
    return l;
  }

  @Override
  public void read(TensorSpec spec, int firstRow, int rowCount, DType type, MemorySegment out) {
    Located l = at(spec);
    int columns = Math.toIntExact(spec.columns());
    MemorySegment data = l.entry().data();
    long elementBytes = l.type().blockBytes();
    float[] row = new float[columns];
    for (int r = 0; r < rowCount; r++) {
      if (l.place().transposed()) {
        long output = l.place().first() + firstRow + r;
        for (int i = 0; i < columns; i++) {
          BlockFormat.decodeRow(
              l.type(), data, (i * l.place().storedOutputs() + output) * elementBytes, 1, row, i);
        }
      } else {
        long offset =
            spec.role().isMatrix()
                ? (l.place().first() + firstRow + r) * columns
                : l.place().first();
        BlockFormat.decodeRow(l.type(), data, offset * elementBytes, columns, row, 0);
      }
      countNonFinite(l.entry().name(), row);
      BlockFormat.encodeRow(type, row, 0, columns, out, r * type.rowBytes(columns));
    }
  }

  private void countNonFinite(String name, float[] row) {
    int n = 0;
    for (float v : row) {
      n += (Float.floatToRawIntBits(v) & 0x7fffffff) >= 0x7f800000 ? 1 : 0;
    }
    if (n > 0) {
      nonFinite.computeIfAbsent(name, k -> new LongAdder()).add(n);
    }
  }

  @Override
  public Map<String, Long> nonFinite() {
    Map<String, Long> out = new java.util.TreeMap<>();
    nonFinite.forEach((name, count) -> out.put(name, count.sum()));
    return out;
  }

  @Override
  public void close() {
    files.forEach(SafetensorsFile::close);
  }
}
