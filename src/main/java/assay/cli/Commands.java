package assay.cli;

import java.util.List;

/**
 * The commands, in the order in which {@code assay --help} lists them. A new command is added here
 * and nowhere else.
 */
final class Commands {
  private Commands() {}

  /** Fresh instances: a command keeps the options of one invocation. */
  static List<Object> all() {
    return List.of(
        new RunCommand(),
        new EstimateCommand(),
        new BenchCommand(),
        new CompareCommand(),
        new CalibrateCommand(),
        new ClaimsCommand(),
        new ReportCommand(),
        new DeviceCommand(),
        new TokensCommand(),
        new LogitsCommand(),
        new InspectCommand(),
        new GenerateCommand(),
        new TrainCommand(),
        new ConvertCommand(),
        new ModelsCommand(),
        new CountersCommand());
  }
}
