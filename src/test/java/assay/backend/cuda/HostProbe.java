package assay.backend.cuda;

import assay.backend.Lab;
import assay.model.DType;
import assay.model.RandomStream;
import assay.model.UserError;
import assay.tensor.Tensor;
import java.nio.file.Path;
import java.util.Map;

/**
 * A process of its own on an imagined host: {@code HostProbe CACHE ROOT [FOLDER]} searches only
 * below ROOT and in FOLDER, opens a device, multiplies, draws, and prints what came of it, a line
 * each.
 */
final class HostProbe {
  private static final RandomStream STREAM = new RandomStream(1, 1e-5f, 0, true);

  private HostProbe() {}

  public static void main(String[] args) {
    Path given = args.length > 2 ? Path.of(args[2]) : null;
    LibrarySearch search = new LibrarySearch(Path.of(args[1]), Map.of(), given, false);
    try {
      CudaLibraries libraries = CudaLibraries.load(search, Path.of(args[0]));
      libraries.missing().forEach(m -> System.out.println("missing " + m));
      try (CudaBackend backend = CudaDevices.open(libraries, 0);
          Lab lab = new Lab(backend)) {
        System.out.println("cublas " + backend.info().facts().get("cublas"));
        System.out.println("product " + product(lab));
        System.out.println("weights by " + backend.ownGenerator(STREAM).orElse("our own"));
        Tensor made = lab.weight(DType.F32, 16, 32, new float[512]);
        System.out.println("made " + backend.generateWeight(made, 0, 16, STREAM));
        if (!libraries.hasCurand()) {
          return;
        }
        Tensor uniforms = lab.poisoned(DType.F32, 1, 4);
        backend.fillUniform(uniforms, 1);
        System.out.println("uniform " + (lab.read(uniforms)[3] < 1));
      }
    } catch (UserError e) {
      System.out.println("exit " + e.exitCode() + " " + e.getMessage());
    }
  }

  private static float product(Lab lab) {
    float[] ones = new float[20 * 32];
    java.util.Arrays.fill(ones, 1);
    Tensor out = lab.poisoned(DType.F32, 20, 16);
    Tensor w = lab.weight(DType.F32, 16, 32, java.util.Arrays.copyOf(ones, 512));
    lab.backend().matmul(lab.floats(DType.F32, 20, 32, ones), w, out, false);
    return lab.read(out)[319];
  }
}
