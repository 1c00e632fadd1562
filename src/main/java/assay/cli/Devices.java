package assay.cli;

import assay.backend.Backend;
import assay.backend.TrainingOps;
import assay.backend.cpu.CpuBackend;
import assay.backend.cpu.training.CpuTrainingOps;
import assay.backend.reference.ReferenceBackend;
import assay.model.UserError;
import assay.tensor.Tensor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** From {@code --device} to a back end: the one place that knows which exist. */
final class Devices {
  private Devices() {}

  /**
   * A back end and why it was taken. Who opens it closes it.
   *
   * @param why one line for the user: which, and because of what
   */
  record Chosen(Backend backend, String why) implements AutoCloseable {
    @Override
    public void close() {
      backend.close();
    }
  }

  /**
   * Opens what the user asked for.
   *
   * @throws UserError when there is no such device
   */
  static Backend open(String device) {
    return choose(device, null).backend();
  }

  /**
   * Opens what the user asked for, with a reason.
   *
   * @param threads for a CPU; null for one per core
   * @throws UserError when there is no such device
   */
  static Chosen choose(String device, @Nullable Integer threads) {
    return switch (device) {
      case "auto" -> {
        Backend cpu = cpu(threads);
        yield new Chosen(cpu, "cpu (%s), because %s".formatted(cpu.info().name(), noGpu()));
      }
      case "cpu" -> {
        Backend cpu = cpu(threads);
        yield new Chosen(cpu, "cpu (%s), as asked".formatted(cpu.info().name()));
      }
      case "reference" -> new Chosen(new ReferenceBackend(), "reference, as asked");
      default -> {
        if (device.matches("cuda(:\\d{1,3})?")) {
          throw new UserError("--device " + device + ": " + noGpu());
        }
        throw new UserError("--device " + device + ": expected auto, cpu, cuda or cuda:N");
      }
    };
  }

  /** What opens training on a device; null where there is no training step for it. */
  static @Nullable Supplier<? extends TrainingOps<Tensor>> training(Backend device) {
    return switch (device.info().kind()) {
      case "cpu" -> () -> new CpuTrainingOps(Runtime.getRuntime().availableProcessors());
      default -> null;
    };
  }

  /** The judge of the others. */
  static Backend reference() {
    return new ReferenceBackend();
  }

  /** Why no GPU is taken. */
  static String noGpu() {
    return "this build has no GPU back end";
  }

  private static Backend cpu(@Nullable Integer threads) {
    int most = 4 * Runtime.getRuntime().availableProcessors();
    if (threads == null) {
      return new CpuBackend();
    }
    if (threads < 1 || threads > most) {
      throw new UserError("--threads %d: expected 1 to %d".formatted(threads, most));
    }
    return new CpuBackend(threads);
  }
}
