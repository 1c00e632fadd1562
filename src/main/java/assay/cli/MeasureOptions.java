package assay.cli;

import assay.calibrate.Calibration;
import assay.calibrate.CalibrationFile;
import assay.model.Precision;
import assay.model.UserError;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** What commands that measure have in common. */
final class MeasureOptions {
  @Option(
      names = {"--precision", "--precisions"},
      paramLabel = "PRECISION",
      split = ",",
      description =
          "fp32, tf32, fp16, bf16, fp8, int8, int4: one or several; all that the device has unless"
              + " given.")
  private List<String> precisions = new ArrayList<>();

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads on a CPU; one per core unless given.")
  @Nullable Integer threads;

  @Option(
      names = "--out",
      paramLabel = "FOLDER",
      description = "Where results go; assay-results/<time> unless given.")
  @Nullable Path out;

  @Option(names = "--seed", defaultValue = "1", description = "Seed of random weights.")
  long seed = ModelArgument.DEFAULT_SEED;

  @Option(names = "--ops", description = "Also time single operations, in a pass of their own.")
  boolean operations;

  @Option(
      names = "--calibration",
      paramLabel = "FILE",
      description =
          "A second prediction with the constants that assay calibrate fitted, beside that of the"
              + " defaults.")
  private @Nullable Path calibrationFile;

  private @Nullable Calibration calibration;

  /** The user's calibration, or null. */
  @Nullable Calibration calibration() {
    if (calibration == null && calibrationFile != null) {
      calibration = CalibrationFile.read(calibrationFile);
    }
    return calibration;
  }

  /** What the user named, each once; empty for all that the device has. */
  List<Precision> precisions() {
    LinkedHashSet<Precision> out = new LinkedHashSet<>();
    for (String p : precisions) {
      out.add(Precision.of(p.strip()));
    }
    return List.copyOf(out);
  }

  /** A list of positive counts such as 1,8,32. */
  static List<Integer> counts(String option, List<String> texts) {
    LinkedHashSet<Integer> out = new LinkedHashSet<>();
    for (String text : texts) {
      if (!text.strip().matches("\\d{1,7}") || Integer.parseInt(text.strip()) < 1) {
        throw new UserError("%s %s: expected whole numbers of 1 or more".formatted(option, text));
      }
      out.add(Integer.parseInt(text.strip()));
    }
    return List.copyOf(out);
  }
}
