package assay.cli;

import assay.backend.Backend;
import assay.backend.TrainingOps;
import assay.backend.cpu.CpuBackend;
import assay.backend.cpu.training.WideningTrainingOps;
import assay.backend.cuda.CudaBackend;
import assay.backend.cuda.CudaDevices;
import assay.backend.reference.ReferenceBackend;
import assay.model.UserError;
import assay.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** From {@code --device} to a back end: the one place that knows which exist. */
final class Devices {
  private Devices() {}

  /**
   * A back end and why it was taken. Who opens it closes it.
   *
   * @param why one line for the user: which, and because of what
   * @param noGpu why it is no GPU, where nobody asked for another device; else null
   */
  record Chosen(Backend backend, String why, @Nullable String noGpu) implements AutoCloseable {
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
  static Backend open(CommonOptions common) {
    return choose(common, null).backend();
  }

  /**
   * The same for speeds and bytes that somebody will believe: no stand-in for tests is accepted.
   *
   * @throws UserError when there is no such device, or it is none
   */
  static Backend openToMeasure(CommonOptions common) {
    return chooseToMeasure(common, null).backend();
  }

  /** The same with a reason. */
  static Chosen chooseToMeasure(CommonOptions common, @Nullable Integer threads) {
    Chosen chosen = choose(common, threads);
    if (chosen.backend().info().isStandIn()) {
      chosen.close();
      throw new UserError(
          "--device %s: the driver is a stand-in for tests, not a GPU: nothing is measured on it"
              .formatted(common.device));
    }
    return chosen;
  }

  /**
   * Opens what the user asked for, with a reason.
   *
   * @param threads for a CPU; null for one per core
   * @throws UserError when there is no such device
   */
  static Chosen choose(CommonOptions common, @Nullable Integer threads) {
    String device = common.device;
    return switch (device) {
      case "auto" -> auto(libraries(common), threads);
      case "cpu" -> {
        Backend cpu = cpu(threads);
        yield new Chosen(cpu, "cpu (%s), as asked".formatted(cpu.info().name()), null);
      }
      case "reference" -> new Chosen(new ReferenceBackend(), "reference, as asked", null);
      default -> {
        if (!device.matches("cuda(:\\d{1,3})?")) {
          throw new UserError("--device " + device + ": expected auto, cpu, cuda or cuda:N");
        }
        int ordinal = device.equals("cuda") ? 0 : Integer.parseInt(device.substring(5));
        CudaBackend gpu = CudaDevices.open(libraries(common), ordinal);
        yield new Chosen(gpu, "%s (%s), as asked".formatted(device, gpu.info().name()), null);
      }
    };
  }

  /** What opens training on a device; null where there is no training step for it. */
  static @Nullable Supplier<? extends TrainingOps<Tensor>> training(Backend device) {
    return switch (device.info().kind()) {
      case "cpu" -> () -> new WideningTrainingOps(Runtime.getRuntime().availableProcessors());
      default -> null;
    };
  }

  private static Chosen auto(@Nullable Path libraries, @Nullable Integer threads) {
    CudaDevices.Attempt attempt = CudaDevices.attempt(libraries);
    if (attempt.backend() != null) {
      return new Chosen(attempt.backend(), "cuda:0, because " + attempt.why(), null);
    }
    Backend cpu = cpu(threads);
    String why = "cpu (%s), because %s".formatted(cpu.info().name(), attempt.why());
    return new Chosen(cpu, why, attempt.why());
  }

  private static @Nullable Path libraries(CommonOptions common) {
    Path folder = common.cudaLibraries;
    if (folder == null) {
      return null;
    }
    if (!Files.isDirectory(folder)) {
      throw new UserError("--cuda-libraries " + folder + ": expected a folder");
    }
    return folder.toAbsolutePath().normalize();
  }

  /** The judge of the others. */
  static Backend reference() {
    return new ReferenceBackend();
  }

  /** The CPU back end. */
  static Backend cpu(@Nullable Integer threads) {
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
