package assay.backend;

import assay.model.UserError;

/** The device failed: the error by name, and the operation. Exit code 4. */
public class DeviceException extends UserError {
  private static final long serialVersionUID = 1L;

  /** One line with the error's name and the operation. */
  public DeviceException(String message) {
    super(DEVICE_FAILED, message);
  }
}
