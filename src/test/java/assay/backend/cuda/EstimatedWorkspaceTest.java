package assay.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import assay.backend.SessionShape;
import assay.cost.SessionSize;
import assay.estimate.DeviceKind;
import assay.estimate.Scratch;
import assay.model.ModelConfig;
import assay.model.Precision;
import assay.model.Presets;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The estimator must not see the back end, so its formula of the scratch memory is written a second
 * time; both must agree to the byte.
 */
class EstimatedWorkspaceTest {
  private static final KernelTable NOWHERE =
      new KernelTable(
          new Launcher() {
            @Override
            public long resolve(Kernel.Entry entry) {
              throw new AssertionError(entry);
            }

            @Override
            public void launch(
                Kernel.Entry entry, long handle, int x, int y, int z, KernelArgs args) {
              throw new AssertionError(entry);
            }
          },
          t -> {
            throw new AssertionError(t);
          });

  @ParameterizedTest
  @EnumSource
  void isWhatTheBackEndReserves(Precision p) {
    AttentionOps planning = new AttentionOps(NOWHERE, WorkspaceLayout.MULTIPROCESSORS, true);
    for (ModelConfig c : Presets.byName().values()) {
      for (int[] batchContextPass :
          new int[][] {
            {1, 1, 1}, {1, 13, 13}, {3, 207, 2}, {2, 207, 13}, {1, 4098, 512}, {64, 513, 512}
          }) {
        SessionSize size =
            SessionSize.of(
                    p, DeviceKind.CUDA.activationType(p), batchContextPass[0], batchContextPass[1])
                .withPassTokens(batchContextPass[2]);
        SessionShape shape =
            new SessionShape(
                c, p, size.batch(), size.contextTokens(), size.passTokens(), size.logitRows());
        assertEquals(
            WorkspaceLayout.of(shape, planning).totalBytes(),
            Scratch.bytes(DeviceKind.CUDA, c, size, 1),
            () -> c.name() + " " + p + " " + shape);
      }
    }
  }
}
