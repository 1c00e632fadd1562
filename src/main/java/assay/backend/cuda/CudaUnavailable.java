package assay.backend.cuda;

import assay.model.UserError;

/**
 * There is no GPU here that could be used: what is missing, where it was looked for, and what to
 * do. Exit code 2: a device was asked for that this host does not have.
 */
public final class CudaUnavailable extends UserError {
  private static final long serialVersionUID = 1L;

  /** One line. */
  public CudaUnavailable(String message) {
    super(BAD_INPUT, message);
  }
}
