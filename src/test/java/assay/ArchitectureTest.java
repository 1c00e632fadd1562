package assay;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Holds the table of packages ("rooms") and who may import whom, over the compiled classes. */
class ArchitectureTest {
  private static final String ROOT = "assay.";

  /** Each room and the rooms that it may import. A package below a room belongs to that room. */
  private static final Map<String, Set<String>> MAY_IMPORT = new HashMap<>();

  static {
    // Prediction.
    room("units");
    room("model", "units");
    room("cost", "units", "model");
    room("estimate", "units", "model", "cost");
    // Execution. It never meets estimate: predicted would equal measured by construction.
    room("tensor", "units", "model");
    room("backend", "units", "model", "tensor");
    room("backend.reference", "units", "model", "tensor", "backend");
    room("backend.cpu", "units", "model", "tensor", "backend");
    room("backend.cuda", "units", "model", "tensor", "backend");
    room("engine", "units", "model", "tensor", "backend");
    room("checkpoint", "units", "model");
    room("tokenizer", "units", "model", "checkpoint");
    room("train", "units", "model", "tensor", "backend", "engine", "checkpoint");
    // Data.
    room("results", "units", "model");
    // Where they meet. Only cli knows which back ends exist; calibrate, claims and report read
    // stored results only.
    room(
        "measure",
        "units",
        "model",
        "cost",
        "estimate",
        "tensor",
        "backend",
        "engine",
        "checkpoint",
        "tokenizer",
        "train",
        "results");
    room("calibrate", "units", "model", "cost", "estimate", "results");
    room("claims", "units", "model", "cost", "estimate", "results", "calibrate");
    room("report", "units", "model", "cost", "estimate", "results", "calibrate", "claims");
    room("cli", MAY_IMPORT.keySet().toArray(String[]::new));
  }

  /** Libraries that must stay inside one room. */
  private static final Map<String, String> ONLY_IN =
      Map.of(
          "jcuda", "backend.cuda",
          "ai.djl", "tokenizer",
          "picocli", "cli",
          "org.teavm", "estimate");

  private static JavaClasses classes;

  @BeforeAll
  static void read() {
    classes =
        new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("assay");
    assertFalse(classes.isEmpty());
  }

  @Test
  void roomsImportOnlyWhatTheTableAllows() {
    assertEquals(List.of(), forbiddenImports(MAY_IMPORT));
  }

  @Test
  void everyPackageIsARoomOrInsideOne() {
    Set<String> strangers =
        classes.stream()
            .filter(c -> roomOf(c).isEmpty())
            .map(JavaClass::getName)
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(Set.of(), strangers);
  }

  @Test
  void everyPackageSaysWhatLivesThere() {
    Set<String> silent =
        classes.stream()
            .map(JavaClass::getPackage)
            .filter(p -> !p.isAnnotatedWith("org.jspecify.annotations.NullMarked"))
            .map(p -> p.getName() + " needs a package-info.java with @NullMarked")
            .collect(Collectors.toCollection(TreeSet::new));
    assertEquals(Set.of(), silent);
  }

  @Test
  void librariesStayInTheirRoom() {
    assertEquals(List.of(), strayLibraries(ONLY_IN));
  }

  @Test
  void theTableIsAcyclic() {
    for (String room : MAY_IMPORT.keySet()) {
      assertFalse(reachable(room).contains(room), room + " may import itself through others");
    }
  }

  /** The checks themselves can fail: with nothing allowed, what exists is reported. */
  @Test
  void aForbiddenImportIsFound() {
    Map<String, Set<String>> strict = new HashMap<>(MAY_IMPORT);
    strict.put("cli", Set.of());
    assertTrue(
        forbiddenImports(strict).stream()
            .anyMatch(
                v ->
                    v.startsWith("cli may not import measure: ") && v.contains("VersionProvider")));
    assertTrue(
        strayLibraries(Map.of("picocli", "units")).stream()
            .anyMatch(v -> v.contains("assay.cli.Main")));
  }

  private static void room(String name, String... mayImport) {
    MAY_IMPORT.put(name, Set.of(mayImport));
  }

  private static List<String> forbiddenImports(Map<String, Set<String>> table) {
    List<String> found = new ArrayList<>();
    for (Dependency d : dependencies()) {
      Optional<String> from = roomOf(d.getOriginClass());
      Optional<String> to = roomOf(d.getTargetClass());
      if (from.isPresent()
          && to.isPresent()
          && !from.equals(to)
          && !table.get(from.get()).contains(to.get())) {
        found.add("%s may not import %s: %s".formatted(from.get(), to.get(), d.getDescription()));
      }
    }
    return found;
  }

  private static List<String> strayLibraries(Map<String, String> onlyIn) {
    List<String> found = new ArrayList<>();
    for (Dependency d : dependencies()) {
      onlyIn.forEach(
          (library, room) -> {
            if (d.getTargetClass().getPackageName().startsWith(library)
                && !roomOf(d.getOriginClass()).equals(Optional.of(room))) {
              found.add("%s only in %s: %s".formatted(library, room, d.getDescription()));
            }
          });
    }
    return found;
  }

  private static List<Dependency> dependencies() {
    return classes.stream()
        .flatMap(c -> c.getDirectDependenciesFromSelf().stream())
        .sorted(Comparator.comparing(Dependency::getDescription))
        .toList();
  }

  /** The longest room that the class's package is or lies below. */
  private static Optional<String> roomOf(JavaClass c) {
    String name = c.getPackageName() + ".";
    return MAY_IMPORT.keySet().stream()
        .filter(room -> name.startsWith(ROOT + room + "."))
        .max(Comparator.comparingInt(String::length));
  }

  private static Set<String> reachable(String room) {
    Set<String> seen = new TreeSet<>();
    List<String> open = new ArrayList<>(MAY_IMPORT.get(room));
    while (!open.isEmpty()) {
      String next = open.removeLast();
      if (seen.add(next)) {
        open.addAll(MAY_IMPORT.get(next));
      }
    }
    return seen;
  }
}
