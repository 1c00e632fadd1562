package assay.backend.cuda;

import assay.model.DType;
import assay.model.RandomStream;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import jcuda.jcurand.JCurand;
import jcuda.jcurand.curandGenerator;
import jcuda.jcurand.curandOrdering;
import jcuda.jcurand.curandRngType;
import jcuda.runtime.cudaStream_t;

/**
 * Random numbers made on the device: uniforms for sampling by cuRAND's Philox generator, whose
 * sequence is the same on every card; weights of small models by our own kernel, whose bits are
 * those of the host's generator, and of large ones by cuRAND again.
 *
 * <p>cuRAND's weights are uniform with the deviation that the stream asks for. They are made in
 * panels of whole rows into scratch memory: panel i of a tensor has the seed key + i·γ and is
 * always generated whole, so an element depends on the tensor's key, its width and its place alone,
 * not on how many rows are asked for.
 */
final class DeviceRandom implements AutoCloseable {
  /**
   * Numbers of a panel, at most; a row at least: within cuBLAS' scratch, which every session has.
   */
  private static final int PANEL_NUMBERS = 1 << 20;

  private static final long GAMMA = 0x9e3779b97f4a7c15L;

  private final CudaContext context;
  private final CudaMemory memory;
  private final MatrixOps matrices;
  private final TokenOps tokens;
  private final CudaScratch scratch;
  private final HostStaging staging;
  private final curandGenerator generator = new curandGenerator();
  private boolean open;

  DeviceRandom(
      CudaContext context,
      CudaMemory memory,
      MatrixOps matrices,
      TokenOps tokens,
      CudaScratch scratch,
      HostStaging staging) {
    this.context = context;
    this.memory = memory;
    this.matrices = matrices;
    this.tokens = tokens;
    this.scratch = scratch;
    this.staging = staging;
  }

  /** {@link assay.backend.Backend#fillUniform}. */
  void fillUniform(Tensor out, long seed) {
    if (out.type() != DType.F32 || !out.isDense()) {
      throw new IllegalArgumentException("uniforms into " + out + ": expected F32 without gaps");
    }
    uniforms(memory.address(out), (long) out.rows() * out.columns(), seed);
    tokens.halfOpen(out);
  }

  /** So many numbers in (0, 1] from the beginning of a seed's sequence. */
  private void uniforms(long address, long count, long seed) {
    context.enter();
    if (!open) {
      open();
    }
    CudaStatus.checkRand(
        JCurand.curandSetPseudoRandomGeneratorSeed(generator, seed),
        "curandSetPseudoRandomGeneratorSeed");
    CudaStatus.checkRand(
        JCurand.curandSetGeneratorOffset(generator, 0), "curandSetGeneratorOffset");
    CudaStatus.checkRand(
        JCurand.curandGenerateUniform(generator, new Handles.DevicePointer(address), count),
        "curandGenerateUniform of " + count + " numbers");
  }

  private void open() {
    context.libraries().requireCurand();
    CudaStatus.checkRand(
        JCurand.curandCreateGenerator(generator, curandRngType.CURAND_RNG_PSEUDO_PHILOX4_32_10),
        "curandCreateGenerator");
    open = true;
    CudaStatus.checkRand(
        JCurand.curandSetStream(generator, new cudaStream_t(context.stream())), "curandSetStream");
    CudaStatus.checkRand(
        JCurand.curandSetGeneratorOrdering(
            generator, curandOrdering.CURAND_ORDERING_PSEUDO_DEFAULT),
        "curandSetGeneratorOrdering");
  }

  /** {@link assay.backend.Backend#generateWeight}. */
  boolean generate(Tensor weight, int firstRow, int rowCount, RandomStream s) {
    context.enter();
    if (ownGenerator(s).isPresent()) {
      byPanels(weight, firstRow, rowCount, s);
    } else {
      matrices.random(weight, firstRow, rowCount, s.key(), 0, s.factor(), s.offset());
    }
    return true;
  }

  private void byPanels(Tensor weight, int firstRow, int rowCount, RandomStream s) {
    int columns = weight.columns();
    int rows = Math.max(1, PANEL_NUMBERS / columns);
    long count = (long) rows * columns;
    long panel =
        scratch.address(CudaScratch.Part.CUBLAS, Math.max(WorkspaceLayout.CUBLAS_BYTES, 4 * count));
    for (int first = 0; first < rowCount; first += rows) {
      uniforms(panel, count, s.key() + first / rows * GAMMA);
      int n = Math.min(rows, rowCount - first);
      matrices.randomUniform(weight, firstRow + first, n, panel, width(s), s.offset());
    }
  }

  /** Uniforms over an interval of this width have the stream's deviation. */
  private static float width(RandomStream s) {
    return (float) (Math.sqrt(12) * s.deviation());
  }

  /** {@link assay.backend.Backend#ownGenerator}. */
  Optional<String> ownGenerator(RandomStream s) {
    return s.anyGenerator() && context.libraries().hasCurand()
        ? Optional.of("cuRAND")
        : Optional.empty();
  }

  /** {@link assay.backend.Backend#largestGenerated}. */
  double largest(RandomStream s, long count) {
    if (ownGenerator(s).isPresent()) {
      return Math.abs(s.offset()) + width(s) / 2;
    }
    Tensor result =
        Tensor.rowMajor(scratch.buffer(CudaScratch.Part.GREEDY, 256), 0, DType.F32, 1, 1);
    tokens.zero(result);
    matrices.randomAbsmax(result, s.key(), 0, s.factor(), s.offset(), count);
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment host = arena.allocate(ValueLayout.JAVA_FLOAT);
      staging.read(memory.address(result), 4, host, 4, 1);
      return host.get(ValueLayout.JAVA_FLOAT, 0);
    }
  }

  @Override
  public void close() {
    if (open && !context.isLost()) {
      int _ = JCurand.curandDestroyGenerator(generator);
    }
    open = false;
  }
}
