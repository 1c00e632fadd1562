package assay.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertThrows;

import assay.backend.SessionShape;
import assay.model.DType;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import assay.tensor.Arena;
import assay.tensor.MemoryCategory;
import assay.tensor.Tensor;
import org.junit.jupiter.api.Test;

/** Kernels write to scratch memory unchecked, so the back end refuses to run them without it. */
class CpuWorkspaceTest {
  @Test
  void afterTheSessionIsClosedItsScratchMemoryIsNotTouched() {
    ModelConfig tiny = Presets.byName().get("tiny");
    try (CpuBackend backend = new CpuBackend(2);
        Arena arena = backend.newArena(MemoryCategory.ACTIVATIONS, 1 << 20)) {
      Tensor x = arena.allocate(DType.F32, 3, 64);
      Tensor w = backend.weight(arena, DType.F32, 5, 64);
      Tensor y = arena.allocate(DType.F32, 3, 5);
      assertThrows(IllegalStateException.class, () -> backend.matmul(x, w, y, false));
      SessionShape shape = new SessionShape(tiny, Precision.FP32, 1, 16, 16, 1);
      try (Arena scratch =
          backend.newArena(MemoryCategory.WORKSPACE, backend.workspaceBytes(shape) + 1024)) {
        backend.reserveWorkspace(shape, scratch);
        backend.matmul(x, w, y, false);
      }
      assertThrows(IllegalStateException.class, () -> backend.matmul(x, w, y, false));
    }
  }
}
