package assay.cli;

import assay.backend.Backend;
import assay.backend.cpu.CpuBackend;
import assay.backend.reference.ReferenceBackend;
import assay.model.UserError;

/** From {@code --device} to a back end: the one place that knows which exist. */
final class Devices {
  private Devices() {}

  /**
   * Opens what the user asked for.
   *
   * @throws UserError when there is no such device
   */
  static Backend open(String device) {
    return switch (device) {
      case "auto", "cpu" -> new CpuBackend();
      case "reference" -> new ReferenceBackend();
      default -> throw new UserError("--device " + device + ": expected auto, cpu, cuda or cuda:N");
    };
  }
}
