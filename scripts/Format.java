import com.google.googlejavaformat.java.Formatter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/**
 * Formats the project's Java sources, or with --check only says which ones are not formatted. Run
 * by scripts/format and by the build (pom.xml), in the project's root, with google-java-format on
 * the class path and the options of scripts/format.args.
 */
final class Format {
  public static void main(String[] args) throws Exception {
    boolean check = args.length > 0 && args[0].equals("--check");
    Formatter formatter = new Formatter();
    List<Path> sources;
    try (Stream<Path> files =
        Stream.concat(Files.walk(Path.of("src")), Files.list(Path.of("scripts")))) {
      sources = files.filter(f -> f.toString().endsWith(".java")).sorted().toList();
    }
    List<Path> different = new ArrayList<>();
    for (Path source : sources) {
      String before = Files.readString(source);
      String after;
      try {
        after = formatter.formatSourceAndFixImports(before);
      } catch (com.google.googlejavaformat.java.FormatterException e) {
        System.err.println(source + ": cannot be parsed: " + e.getMessage());
        System.exit(1);
        return;
      }
      if (!after.equals(before)) {
        different.add(source);
        if (!check) {
          Files.writeString(source, after);
        }
      }
    }
    if (check && !different.isEmpty()) {
      System.err.println(
          "Not formatted (scripts/format mends it): "
              + String.join(", ", different.stream().map(Path::toString).toList()));
      System.exit(1);
    }
    for (Path source : different) {
      System.out.println("formatted " + source);
    }
  }
}
