package assay.backend.cuda;

/**
 * Enqueues kernels. The driver's launcher and the one of the host-compiled kernels in the tests are
 * the two implementations; {@link KernelTable} and the classes on top of it decide what is launched
 * with which arguments.
 */
interface Launcher {
  /**
   * The function behind an entry, found (and its module loaded) once, before any recording. Sets
   * the function's limit of dynamic shared memory where {@link Kernel.Entry#sharedBytes} is beyond
   * 48 KiB.
   *
   * @return an opaque handle for {@link #launch}
   */
  long resolve(Kernel.Entry entry);

  /**
   * Enqueues one launch of {@code entry.kernel().block()} threads a block. The arguments are copied
   * before the call returns. Must not allocate on the Java heap.
   */
  void launch(Kernel.Entry entry, long handle, int gridX, int gridY, int gridZ, KernelArgs args);
}
