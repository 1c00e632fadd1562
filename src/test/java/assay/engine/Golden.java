package assay.engine;

import assay.checkpoint.SafetensorsFile;
import assay.model.DType;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The golden models of src/test/resources: inputs and expected results from public reference
 * implementations.
 */
public record Golden(String name, Path folder) {
  private static final Path FOLDER =
      Path.of(System.getProperty("assay.golden", "src/test/resources/golden"));

  /** Every folder; of those in {@code assay.golden}, which a bundle sets, the ones it has. */
  public static List<Golden> all() {
    return List.of(
            "llama",
            "llama-sharded",
            "llama-bf16",
            "llama-bias-linear",
            "llama3-rope",
            "qwen2",
            "qwen3",
            "qwen3-window",
            "gpt2",
            "mistral",
            "baichuan",
            "baichuan2",
            "baichuan2-alibi")
        .stream()
        .map(n -> new Golden(n, FOLDER.resolve(n)))
        .filter(g -> System.getProperty("assay.golden") == null || Files.isDirectory(g.folder))
        .toList();
  }

  /** Inputs and results. */
  public SafetensorsFile expected() {
    return SafetensorsFile.open(folder.resolve("expected.safetensors"));
  }

  /** An F32 tensor. */
  public static float[] floats(SafetensorsFile file, String name) {
    SafetensorsFile.Entry e = file.entries().get(name);
    if (e.type() != DType.F32) {
      throw new IllegalArgumentException(name + " is " + e.dtype());
    }
    return e.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
  }

  /** An I64 tensor as rows of ints; a vector is one row. */
  public static int[][] ids(SafetensorsFile file, String name) {
    SafetensorsFile.Entry e = file.entries().get(name);
    long[] all = e.data().toArray(ValueLayout.JAVA_LONG_UNALIGNED);
    int columns = Math.toIntExact(e.shape().getLast());
    int[][] out = new int[all.length / columns][columns];
    for (int i = 0; i < all.length; i++) {
      out[i / columns][i % columns] = Math.toIntExact(all[i]);
    }
    return out;
  }

  @Override
  public String toString() {
    return name;
  }
}
