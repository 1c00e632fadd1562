package assay.backend.cuda;

import assay.model.Activation;
import assay.model.DType;
import assay.tensor.Tensor;
import java.util.EnumMap;
import org.jspecify.annotations.Nullable;

/**
 * All entry points with the handles that a {@link Launcher} gave for them, and the argument buffer
 * that launches share: what {@link RowOps}, {@link AttentionOps}, {@link MatrixOps} and {@link
 * TokenOps} stand on. A launch allocates nothing; the first launch of an entry resolves it.
 */
final class KernelTable {
  /** Rows that one launch covers in its y dimension; kernels loop over the rest. */
  static final int MAX_GRID_Y = 65_535;

  /** Where tensors lie on the device. */
  interface Addresses {
    /** The device address of the tensor's first element; refuses tensors of other devices. */
    long of(Tensor t);
  }

  private final Launcher launcher;
  private final Addresses addresses;
  private final EnumMap<Kernel, Family> families = new EnumMap<>(Kernel.class);
  private final KernelArgs args = new KernelArgs();

  /** The entry points of one family, in the order of its variants. */
  private static final class Family {
    final Kernel.Entry[] entries;
    final long[] handles;
    final boolean[] resolved;

    Family(Kernel kernel) {
      entries = kernel.entries().toArray(Kernel.Entry[]::new);
      handles = new long[entries.length];
      resolved = new boolean[entries.length];
    }
  }

  KernelTable(Launcher launcher, Addresses addresses) {
    this.launcher = launcher;
    this.addresses = addresses;
    for (Kernel k : Kernel.values()) {
      families.put(k, new Family(k));
    }
  }

  /** The shared argument list, empty. */
  KernelArgs args() {
    return args.begin();
  }

  long address(Tensor t) {
    return addresses.of(t);
  }

  /** The address, or 0 for null. */
  long addressOrNone(@Nullable Tensor t) {
    return t == null ? 0 : addresses.of(t);
  }

  /** Launches variant {@code index} of a family with the arguments in {@link #args}. */
  void launch(Kernel kernel, int index, long gridX, int gridY, int gridZ) {
    if (gridX == 0 || gridY == 0 || gridZ == 0) {
      return;
    }
    if (gridX > Integer.MAX_VALUE || gridY > MAX_GRID_Y || gridZ > MAX_GRID_Y) {
      throw new IllegalArgumentException(
          kernel + " over a grid of " + gridX + " x " + gridY + " x " + gridZ);
    }
    Family family = java.util.Objects.requireNonNull(families.get(kernel));
    Kernel.Entry entry = family.entries[index];
    if (args.count() != kernel.params().size()) {
      throw new IllegalStateException(
          entry.name() + " takes " + kernel.params().size() + " arguments, not " + args.count());
    }
    if (!family.resolved[index]) {
      family.handles[index] = launcher.resolve(entry);
      family.resolved[index] = true;
    }
    launcher.launch(entry, family.handles[index], (int) gridX, gridY, gridZ, args);
  }

  // ---- positions of types in the lists of variants

  /** f32, f16, bf16. */
  static int activation(DType type) {
    return switch (type) {
      case F32 -> 0;
      case F16 -> 1;
      case BF16 -> 2;
      default -> throw new IllegalArgumentException("no activations of type " + type);
    };
  }

  /** f32, f16, bf16, f8, q8, q4. */
  static int weight(DType type) {
    return switch (type) {
      case F8E4M3 -> 3;
      case Q8_0 -> 4;
      case Q4_0 -> 5;
      default -> activation(type);
    };
  }

  /** Whether the kernels read weights of this type. */
  static boolean isWeight(DType type) {
    return switch (type) {
      case F32, F16, BF16, F8E4M3, Q8_0, Q4_0 -> true;
      default -> false;
    };
  }

  /** f32_f32, f32_f16, f32_bf16, f16_f16, bf16_bf16. */
  static int fromResidual(DType from, DType to) {
    if (from == DType.F32) {
      return activation(to);
    }
    if (from != to) {
      throw new IllegalArgumentException("no kernel from " + from + " to " + to);
    }
    return 2 + activation(to);
  }

  /** The number by which {@code kernels/activation.cuh} knows an activation function. */
  static int code(Activation activation) {
    return switch (activation) {
      case SILU -> 0;
      case GELU_TANH -> 1;
      case GELU_ERF -> 2;
      case RELU -> 3;
      case SIGMOID -> 4;
      case TANH -> 5;
      case HARDSWISH -> 6;
    };
  }

  /** Elements from one row to the next. */
  static int ld(Tensor t) {
    return Math.toIntExact(t.rowStrideBytes() / t.type().blockBytes());
  }

  /** Address of the scales of a packed matrix, 0 for the other types. */
  long scales(Tensor weight) {
    return PackedLayout.applies(weight.type())
        ? address(weight)
            + PackedLayout.scalesOffset(weight.type(), weight.rows(), weight.columns())
        : 0;
  }
}
