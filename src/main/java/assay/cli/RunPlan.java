package assay.cli;

import assay.measure.TimeBudget;
import assay.model.Precision;
import assay.model.UserError;
import assay.model.Workload;
import assay.results.ResultJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;

/**
 * What {@code run --plan} is to measure, from a JSON file: a grid of models × precisions ×
 * workloads, or several under {@code grids}.
 *
 * <pre>{"models": ["tiny"], "precisions": ["fp32", "int8"],
 *  "workloads": [{"batch": [1, 4], "prompt": 128, "generate": 33}],
 *  "warmup_seconds": 1, "measure_seconds": 1}</pre>
 *
 * @param cells in the order of the file, each once
 * @param budget how long each row is measured
 */
record RunPlan(List<Cell> cells, TimeBudget budget) {
  /** A plan runs unattended: it can wait for a slow spell of the host to pass. */
  private static final int RETAKES = 4;

  private static final Set<String> GRID = Set.of("models", "precisions", "workloads");
  private static final Set<String> TIMES = Set.of("warmup_seconds", "measure_seconds");
  private static final Set<String> WORKLOAD = Set.of("batch", "prompt", "generate");
  private static final double MOST_SECONDS = 3600;
  private static final int MOST_CELLS = 1_000_000;

  /**
   * One row to be.
   *
   * @param model what the user calls it
   */
  record Cell(String model, Precision precision, Workload workload) {}

  /**
   * Reads it. A model that is a file beside the plan may be named relative to it.
   *
   * @throws UserError naming the file and what is wrong in it
   */
  static RunPlan read(Path file) {
    JsonNode root;
    try {
      root = ResultJson.mapper().readTree(Files.readString(file));
    } catch (NoSuchFileException e) {
      throw new UserError("no plan at " + file + ": expected a JSON file");
    } catch (IOException | JacksonException e) {
      throw new UserError(
          file + ": no JSON: " + String.valueOf(e.getMessage()).lines().findFirst().orElse(""));
    }
    try {
      return new Reader(file).plan(root);
    } catch (UserError e) {
      throw new UserError(file + ": " + e.getMessage());
    }
  }

  /** Walks the tree; every error names the key. */
  private static final class Reader {
    private final Path folder;
    private final LinkedHashSet<Cell> cells = new LinkedHashSet<>();

    Reader(Path file) {
      Path parent = file.toAbsolutePath().getParent();
      folder = parent == null ? Path.of("") : parent;
    }

    RunPlan plan(JsonNode root) {
      boolean several = root.isObject() && root.has("grids");
      Set<String> grid = several ? Set.of("grids") : GRID;
      Set<String> known = new java.util.TreeSet<>(TIMES);
      known.addAll(grid);
      expectKeys("the plan", root, known);
      if (several) {
        for (JsonNode g : list(root, "grids")) {
          expectKeys("a grid", g, GRID);
          addGrid(g);
        }
      } else {
        addGrid(root);
      }
      TimeBudget usual = TimeBudget.SHORT;
      TimeBudget budget =
          new TimeBudget(
              seconds(root, "warmup_seconds", usual.warmupSeconds()),
              seconds(root, "measure_seconds", usual.measureSeconds()),
              usual.minRuns(),
              usual.maxRuns(),
              RETAKES);
      return new RunPlan(List.copyOf(cells), budget);
    }

    private void addGrid(JsonNode grid) {
      List<Workload> workloads = new ArrayList<>();
      list(grid, "workloads").forEach(w -> addWorkloads(w, workloads));
      List<String> models = texts(grid, "models");
      List<Precision> precisions =
          texts(grid, "precisions").stream().map(Precision::of).distinct().toList();
      for (String model : models) {
        for (Precision p : precisions) {
          for (Workload w : workloads) {
            cells.add(new Cell(beside(model), p, w));
            if (cells.size() > MOST_CELLS) {
              throw new UserError("a grid of more than " + MOST_CELLS + " rows");
            }
          }
        }
      }
    }

    private String beside(String model) {
      Path near = folder.resolve(model);
      return !model.isEmpty() && Files.exists(near) ? near.toString() : model;
    }

    private static void addWorkloads(JsonNode w, List<Workload> out) {
      expectKeys("a workload", w, WORKLOAD);
      for (int batch : counts(w, "batch", 1)) {
        for (int prompt : counts(w, "prompt", 0)) {
          for (int generate : counts(w, "generate", 1)) {
            out.add(new Workload(batch, prompt, generate));
          }
        }
      }
    }

    private static void expectKeys(String what, JsonNode node, Set<String> known) {
      if (!node.isObject()) {
        throw new UserError(what + " is no JSON object");
      }
      for (Map.Entry<String, JsonNode> e : node.properties()) {
        if (!known.contains(e.getKey())) {
          throw new UserError(
              "unknown key '%s' in %s: expected %s"
                  .formatted(e.getKey(), what, String.join(", ", new java.util.TreeSet<>(known))));
        }
      }
    }

    private static List<JsonNode> list(JsonNode node, String key) {
      JsonNode list = node.get(key);
      if (list == null || !list.isArray() || list.isEmpty()) {
        throw new UserError("'%s' is missing or no list: expected one or more".formatted(key));
      }
      List<JsonNode> out = new ArrayList<>();
      list.forEach(out::add);
      return out;
    }

    private static List<String> texts(JsonNode node, String key) {
      List<String> out = new ArrayList<>();
      for (JsonNode n : list(node, key)) {
        if (!n.isString()) {
          throw new UserError("'%s' holds %s: expected names".formatted(key, n));
        }
        out.add(n.asString());
      }
      return out;
    }

    /** A number or a list of numbers; {@code otherwise} where absent, 0 for none allowed. */
    private static List<Integer> counts(JsonNode workload, String key, int otherwise) {
      JsonNode value = workload.get(key);
      if (value == null && otherwise > 0) {
        return List.of(otherwise);
      }
      List<Integer> out = new ArrayList<>();
      if (value != null && value.isArray()) {
        value.forEach(v -> out.add(count(key, v)));
      } else {
        out.add(count(key, value));
      }
      return out;
    }

    private static int count(String key, @org.jspecify.annotations.Nullable JsonNode value) {
      if (value == null || !value.isInt() || value.intValue() < 1) {
        throw new UserError(
            "'%s' is %s: expected a whole number of 1 or more".formatted(key, value));
      }
      return value.intValue();
    }

    private static double seconds(JsonNode root, String key, double otherwise) {
      JsonNode value = root.get(key);
      if (value == null) {
        return otherwise;
      }
      double s = value.isNumber() ? value.doubleValue() : Double.NaN;
      if (!(s >= 0 && s <= MOST_SECONDS)) {
        throw new UserError("'%s' is %s: expected 0 to %.0f".formatted(key, value, MOST_SECONDS));
      }
      return s;
    }
  }
}
