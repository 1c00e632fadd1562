/**
 * What a device can do: about a dozen operations on tensors, memory, transfers, time marks and the
 * recording of a sequence of operations. One interface, {@link assay.backend.Backend}, implemented
 * by {@code backend.reference} (plain loops, double accumulation: the judge), {@code backend.cpu}
 * and {@code backend.cuda}, which never meet each other.
 *
 * <p>The contract is the one of a device whose memory the host cannot touch and whose kernels run
 * later than the call: every operation is only enqueued; {@link assay.backend.Backend#await} waits.
 * Values that change from one decode step to the next (position, token, draw) therefore live in
 * device memory, so that a recorded step can be replayed unchanged.
 */
@NullMarked
package assay.backend;

import org.jspecify.annotations.NullMarked;
