package assay.train;

import assay.backend.TrainingOps;
import assay.model.DType;
import assay.tensor.MemoryCategory;

/** Allocates on a device and writes down what. */
final class Allocator<T> {
  private final TrainingOps<T> ops;
  private final Ledger ledger;

  Allocator(TrainingOps<T> ops, Ledger ledger) {
    this.ops = ops;
    this.ledger = ledger;
  }

  T f32(MemoryCategory category, String name, int rows, int columns) {
    return allocate(category, name, DType.F32, rows, columns);
  }

  T allocate(MemoryCategory category, String name, DType type, int rows, int columns) {
    ledger.add(name, category, type, rows, columns);
    return ops.allocate(category, type, rows, columns);
  }
}
