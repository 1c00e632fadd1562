package assay.checkpoint;

import assay.model.BlockFormat;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.UserError;
import assay.model.WeightLayout;
import assay.model.WeightSource;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A GGUF file as a source of weights. Whole rows are put back into the order of Hugging Face's
 * files, so that blocks of quantised rows stay as they are.
 */
public final class GgufModel implements WeightSource {
  private record Located(GgufFile.Entry entry, GgufNames.Place place) {}

  private final GgufFile file;
  private final ModelConfig config;
  private final Map<TensorSpec, Located> located = new HashMap<>();
  private final NonFinite nonFinite = new NonFinite();

  private GgufModel(GgufFile file, ModelConfig config) {
    this.file = file;
    this.config = config;
    String architecture = file.string("general.architecture");
    for (TensorSpec t : WeightLayout.of(config)) {
      located.put(t, locate(GgufNames.of(config, architecture, t), t));
    }
  }

  /**
   * Opens a file; all tensors are found and their shapes and types checked.
   *
   * @throws UserError when the file cannot be used
   */
  public static GgufModel open(Path path) {
    GgufFile file = GgufFile.open(path);
    try {
      return new GgufModel(file, GgufConfig.read(file, nameOf(path)));
    } catch (Throwable t) {
      file.close();
      throw t;
    }
  }

  private static String nameOf(Path path) {
    Path name = path.getFileName();
    return name == null ? "model" : name.toString().replaceFirst("\\.gguf$", "");
  }

  private Located locate(GgufNames.Place place, TensorSpec t) {
    GgufFile.Entry e = file.entries().get(place.name());
    if (e == null) {
      throw new UserError("%s: no tensor '%s' for %s".formatted(file.path(), place.name(), t));
    }
    List<Long> expected =
        t.role().isMatrix()
            ? List.of(place.storedRows(), t.columns())
            : List.of(place.storedRows());
    if (!e.shape().equals(expected)) {
      throw new UserError(
          "%s: tensor '%s' is %s: the metadata ask for %s"
              .formatted(file.path(), e.name(), e.shape(), expected));
    }
    boolean usable =
        switch (e.type()) {
          case I8, I32, I64 -> false;
          default -> t.role().isMatrix() || !e.type().isBlocked();
        };
    if (!usable) {
      throw new UserError(
          "%s: tensor '%s' is of type %s: expected floating-point or, in a matrix, blocks"
              .formatted(file.path(), e.name(), e.type()));
    }
    return new Located(e, place);
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public String kind() {
    return "checkpoint";
  }

  /** The file: its tensors, also those that the model does not use, and its metadata. */
  public GgufFile file() {
    return file;
  }

  /** The name that a weight has in the file. */
  public String nameOf(TensorSpec spec) {
    return at(spec).entry().name();
  }

  @Override
  public DType storedType(TensorSpec spec) {
    return at(spec).entry().type();
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
    if (!spec.role().isMatrix()) {
      readVector(l, Math.toIntExact(spec.columns()), type, out);
      return;
    }
    int columns = Math.toIntExact(spec.columns());
    DType stored = l.entry().type();
    long storedBytes = stored.rowBytes(columns);
    MemorySegment data = l.entry().data();
    float[] row = stored == type ? new float[0] : new float[columns];
    for (int r = 0; r < rowCount; r++) {
      long at = l.place().row(firstRow + r, config.headDim()) * storedBytes;
      nonFinite.check(l.entry().name(), stored, data, at, columns);
      long to = r * type.rowBytes(columns);
      if (stored == type) {
        MemorySegment.copy(data, at, out, to, storedBytes);
      } else {
        BlockFormat.decodeRow(stored, data, at, columns, row, 0);
        BlockFormat.encodeRow(type, row, 0, columns, out, to);
      }
    }
  }

  /** Elements of a vector may be interleaved like rows: the biases of q and k. */
  private void readVector(Located l, int length, DType type, MemorySegment out) {
    DType stored = l.entry().type();
    float[] values = new float[length];
    for (int i = 0; i < length; i++) {
      long at = l.place().row(i, config.headDim()) * stored.blockBytes();
      nonFinite.check(l.entry().name(), stored, l.entry().data(), at, 1);
      BlockFormat.decodeRow(stored, l.entry().data(), at, 1, values, i);
    }
    BlockFormat.encodeRow(type, values, 0, length, out, 0);
  }

  @Override
  public Map<String, Long> nonFinite() {
    return nonFinite.counts();
  }

  @Override
  public void close() {
    file.close();
  }
}
