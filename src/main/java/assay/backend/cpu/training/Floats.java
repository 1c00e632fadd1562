package assay.backend.cpu.training;

import assay.backend.cpu.kernel.RawMemory;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** How the loops of this package reach fp32 values in memory: vectors by absolute address. */
final class Floats {
  static final MemorySegment ALL = RawMemory.ALL;
  static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
  static final ByteOrder ORDER = ByteOrder.nativeOrder();

  private Floats() {}
}
