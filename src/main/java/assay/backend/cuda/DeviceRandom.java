package assay.backend.cuda;

import assay.model.DType;
import assay.model.RandomStream;
import assay.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jcuda.jcurand.JCurand;
import jcuda.jcurand.curandGenerator;
import jcuda.jcurand.curandOrdering;
import jcuda.jcurand.curandRngType;
import jcuda.runtime.cudaStream_t;

/**
 * Random numbers made on the device: uniforms for sampling by cuRAND's Philox generator, whose
 * sequence is the same on every card, and weights by our own kernel, whose bits are those of the
 * host's generator.
 */
final class DeviceRandom implements AutoCloseable {
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
    context.enter();
    if (!open) {
      open();
    }
    CudaStatus.checkRand(
        JCurand.curandSetPseudoRandomGeneratorSeed(generator, seed),
        "curandSetPseudoRandomGeneratorSeed");
    CudaStatus.checkRand(
        JCurand.curandSetGeneratorOffset(generator, 0), "curandSetGeneratorOffset");
    long count = (long) out.rows() * out.columns();
    CudaStatus.checkRand(
        JCurand.curandGenerateUniform(
            generator, new Handles.DevicePointer(memory.address(out)), count),
        "curandGenerateUniform of " + count + " numbers");
    tokens.halfOpen(out);
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
    matrices.random(weight, firstRow, rowCount, s.key(), 0, s.factor(), s.offset());
    return true;
  }

  /** {@link assay.backend.Backend#largestGenerated}. */
  double largest(RandomStream s, long count) {
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
