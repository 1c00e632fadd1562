package assay.backend.cpu;

import assay.backend.StepState;
import assay.backend.cpu.kernel.RawMemory;
import assay.model.DType;
import assay.tensor.HostBuffer;
import assay.tensor.Tensor;

/** From tensors, which are checked, to absolute addresses, which are not. */
final class Addresses {
  private Addresses() {}

  /** Of the first element; fails for a tensor of another device or a closed arena. */
  static long of(Tensor t) {
    return HostBuffer.of(t).address() + t.offsetBytes();
  }

  /** Of the first element of an fp32 tensor: all activations here are. */
  static long floats(Tensor t) {
    if (t.type() != DType.F32) {
      throw new IllegalArgumentException(t + ": this back end computes with activations of F32");
    }
    return of(t);
  }

  /** Of a row. */
  static long row(Tensor t, int r) {
    return of(t) + r * t.rowStrideBytes();
  }

  /** The slot of this pass's first token. */
  static int slot(StepState state) {
    return RawMemory.getInt(of(state.counters()) + 4L * StepState.SLOT);
  }

  /** How many draws were made. */
  static int draw(StepState state) {
    return RawMemory.getInt(of(state.counters()) + 4L * StepState.DRAW);
  }

  /** Fails unless a table has a row for every position of this pass. */
  static void requirePositions(String what, Tensor table, StepState state, int rows) {
    int perSequence = rows / state.batch();
    for (int b = 0; b < state.batch(); b++) {
      int last = rows == 0 ? 0 : position(state, (b + 1) * perSequence - 1, rows);
      if (last >= table.rows()) {
        throw new IllegalArgumentException(what + " " + table + " has no row for position " + last);
      }
    }
  }

  /** Position of row {@code r} of a pass of {@code rows} rows. */
  static int position(StepState state, int r, int rows) {
    int perSequence = rows / state.batch();
    int start = RawMemory.getInt(of(state.keyStart()) + 4L * (r / perSequence));
    return Math.max(0, slot(state) + r % perSequence - start);
  }
}
