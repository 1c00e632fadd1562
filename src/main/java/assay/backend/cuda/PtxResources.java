package assay.backend.cuda;

import assay.backend.DeviceException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;

/**
 * The compressed PTX files beside this class, as {@code scripts/build-kernels} writes and lists
 * them in {@code index.txt}.
 */
final class PtxResources implements KernelImages {
  private static final String FOLDER = "ptx/";

  /** Targets of each module, such as sm_80. */
  private final Map<String, List<String>> targets = new HashMap<>();

  PtxResources() {
    String index = new String(read("index.txt"), StandardCharsets.UTF_8);
    index
        .lines()
        .map(l -> l.split(" "))
        .filter(words -> words[1].startsWith("sm_"))
        .forEach(
            words ->
                targets.merge(
                    words[0],
                    List.of(words[1]),
                    (a, b) -> {
                      List<String> both = new java.util.ArrayList<>(a);
                      both.addAll(b);
                      return List.copyOf(both);
                    }));
  }

  @Override
  public byte[] ptx(String module, int sm) {
    List<String> all = targets.get(module);
    if (all == null) {
      throw new IllegalStateException("kernels/" + module + ".cu was not built into PTX");
    }
    String best = best(all, sm);
    if (best.isEmpty()) {
      throw new DeviceException(
          "kernels/%s is built for %s: this card has compute capability %d.%d"
              .formatted(module, String.join(", ", all), sm / 10, sm % 10));
    }
    return read(module + "." + best + ".ptx.gz");
  }

  @Override
  public String target(String module, int sm) {
    return best(targets.getOrDefault(module, List.of()), sm);
  }

  /**
   * The newest target that runs on a card: sm_80 on all from 8.0 on, sm_90a on 9.0 alone. Empty
   * where there is none.
   */
  static String best(List<String> targets, int sm) {
    String best = "";
    int newest = -1;
    for (String t : targets) {
      boolean only = t.endsWith("a");
      int number = Integer.parseInt(t.substring(3, t.length() - (only ? 1 : 0)));
      boolean runs = only ? number == sm : number <= sm;
      // Of two of the same number the one with the card's own instructions.
      int rank = 2 * number + (only ? 1 : 0);
      if (runs && rank > newest) {
        newest = rank;
        best = t;
      }
    }
    return best;
  }

  private static byte[] read(String name) {
    try (InputStream in = PtxResources.class.getResourceAsStream(FOLDER + name)) {
      if (in == null) {
        throw new IllegalStateException("the program lacks " + FOLDER + name);
      }
      return name.endsWith(".gz") ? new GZIPInputStream(in).readAllBytes() : in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }
}
