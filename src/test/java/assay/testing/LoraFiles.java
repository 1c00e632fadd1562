package assay.testing;

import assay.checkpoint.SafetensorsWriter;
import assay.model.BlockFormat;
import assay.model.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.SplittableRandom;

/** Writes adapter folders as PEFT lays them out, with values of our own. */
public final class LoraFiles {
  private final SequencedMap<String, SafetensorsWriter.Announced> shapes = new LinkedHashMap<>();
  private final Map<String, float[]> values = new LinkedHashMap<>();
  private final SplittableRandom random = new SplittableRandom(17);

  /** A config with these keys beside the type, as JSON text such as {@code "r":4}. */
  public static String config(String keys) {
    return "{\"peft_type\":\"LORA\",\"task_type\":\"CAUSAL_LM\"," + keys + "}";
  }

  /** Both matrices of a module, normally distributed, small enough to keep a model's sense. */
  public LoraFiles module(String name, int rank, int inputs, int outputs) {
    return tensor(name + ".lora_A.weight", rank, inputs)
        .tensor(name + ".lora_B.weight", outputs, rank);
  }

  /** One tensor under {@code base_model.model.}. */
  public LoraFiles tensor(String name, int rows, int columns) {
    String full = "base_model.model." + name;
    float[] v = new float[rows * columns];
    for (int i = 0; i < v.length; i++) {
      v[i] = (float) (0.1 * random.nextGaussian());
    }
    shapes.put(
        full, new SafetensorsWriter.Announced(DType.F32, List.of((long) rows, (long) columns)));
    values.put(full, v);
    return this;
  }

  /** Values by the file's names. */
  public float[] values(String name) {
    return values.get("base_model.model." + name);
  }

  /** Writes both files into a folder, which is made. */
  public Path write(Path folder, String config) {
    try {
      Files.createDirectories(folder);
      Files.writeString(folder.resolve("adapter_config.json"), config);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Path file = folder.resolve("adapter_model.safetensors");
    try (SafetensorsWriter w = new SafetensorsWriter(file, shapes, Map.of("format", "pt"));
        Arena arena = Arena.ofConfined()) {
      for (Map.Entry<String, float[]> e : values.entrySet()) {
        MemorySegment bytes = arena.allocate(4L * e.getValue().length, 64);
        BlockFormat.encodeRow(DType.F32, e.getValue(), 0, e.getValue().length, bytes, 0);
        w.write(e.getKey(), 0, bytes);
      }
      w.finish();
    }
    return folder;
  }
}
