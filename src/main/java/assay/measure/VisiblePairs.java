package assay.measure;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import assay.backend.AttentionSpec;
import assay.backend.Backend;
import assay.backend.StepState;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/**
 * Which pairs of query and key an attention really computes: the definition of {@link
 * AttentionSpec}, query by query, over the positions and the mask that lie on the device.
 */
final class VisiblePairs {
  private final Backend backend;

  VisiblePairs(Backend backend) {
    this.backend = backend;
  }

  /**
   * @param pairs query and key positions, of all sequences together
   * @param keys distinct key positions that any query sees, of all sequences together
   */
  record Count(long pairs, long keys) {}

  Count count(AttentionSpec spec, StepState state, @Nullable Tensor mask) {
    int slot = ints(state.counters())[StepState.SLOT];
    int[] keyStart = ints(state.keyStart());
    byte[] allowed = mask == null ? null : bytes(mask);
    long pairs = 0;
    long keys = 0;
    for (int sequence = 0; sequence < spec.batch(); sequence++) {
      BitSet seen = new BitSet();
      for (int t = 0; t < spec.tokensPerSequence(); t++) {
        int query = slot + t;
        int last = spec.causal() ? query : slot + spec.tokensPerSequence() - 1;
        int first = keyStart[sequence];
        if (spec.window() > 0) {
          first = Math.max(first, query - spec.window() + 1);
        }
        if (allowed == null) {
          pairs += Math.max(0, last - first + 1);
          seen.set(Math.min(first, last + 1), last + 1);
        } else {
          for (int key = first; key <= last; key++) {
            if (allowed[query * spec.maxSeqLen() + key] != 0) {
              pairs++;
              seen.set(key);
            }
          }
        }
      }
      keys += seen.cardinality();
    }
    return new Count(pairs, keys);
  }

  private int[] ints(Tensor t) {
    try (Arena scratch = Arena.ofConfined()) {
      return read(t, scratch).toArray(JAVA_INT);
    }
  }

  private byte[] bytes(Tensor t) {
    try (Arena scratch = Arena.ofConfined()) {
      return read(t, scratch).toArray(JAVA_BYTE);
    }
  }

  private MemorySegment read(Tensor t, Arena scratch) {
    MemorySegment out = scratch.allocate(t.bytes(), 64);
    backend.read(t, out);
    return out;
  }
}
