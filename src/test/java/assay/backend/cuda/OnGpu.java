package assay.backend.cuda;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Tests of the same operations and models on a real GPU. Where there is none each class says so and
 * is skipped; with {@code ASSAY_REQUIRE_GPU=1} it fails instead. {@code ASSAY_CUDA_LIBRARIES} is
 * {@code --cuda-libraries}. The stand-in is no GPU here.
 */
public final class OnGpu implements ExecutionCondition {
  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    if ("1".equals(System.getenv("ASSAY_REQUIRE_GPU"))) {
      return ConditionEvaluationResult.enabled("a GPU is required");
    }
    CudaDevices.Attempt attempt = CudaDevices.attempt(libraries());
    if (attempt.backend() == null) {
      return ConditionEvaluationResult.disabled("needs a GPU: " + attempt.why());
    }
    attempt.backend().close();
    return ConditionEvaluationResult.enabled(attempt.why());
  }

  private static @Nullable Path libraries() {
    String folder = System.getenv("ASSAY_CUDA_LIBRARIES");
    return folder == null || folder.isEmpty() ? null : Path.of(folder).toAbsolutePath();
  }

  /** The first GPU. */
  public static CudaBackend open() {
    CudaDevices.Attempt attempt = CudaDevices.attempt(libraries());
    if (attempt.backend() == null) {
      throw new AssertionError("ASSAY_REQUIRE_GPU is set, but there is no GPU: " + attempt.why());
    }
    return attempt.backend();
  }
}
