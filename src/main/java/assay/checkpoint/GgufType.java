package assay.checkpoint;

import assay.model.DType;
import java.util.Arrays;
import java.util.Optional;

/** Storage types of GGUF tensors that are read, by the number that stands in the file. */
enum GgufType {
  F32(0, DType.F32),
  F16(1, DType.F16),
  Q4_0(2, DType.Q4_0),
  Q4_1(3, DType.Q4_1),
  Q5_0(6, DType.Q5_0),
  Q5_1(7, DType.Q5_1),
  Q8_0(8, DType.Q8_0),
  Q4_K(12, DType.Q4_K),
  Q5_K(13, DType.Q5_K),
  Q6_K(14, DType.Q6_K),
  I8(24, DType.I8),
  I32(26, DType.I32),
  I64(27, DType.I64),
  BF16(30, DType.BF16);

  private final int code;
  private final DType type;

  GgufType(int code, DType type) {
    this.code = code;
    this.type = type;
  }

  int code() {
    return code;
  }

  DType type() {
    return type;
  }

  static Optional<DType> ofCode(int code) {
    return Arrays.stream(values()).filter(t -> t.code == code).map(GgufType::type).findFirst();
  }

  static int codeOf(DType type) {
    return Arrays.stream(values())
        .filter(t -> t.type == type)
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("no GGUF type for " + type))
        .code;
  }

  /** Names of types that exist but are not read, so that the message can say more than a number. */
  static String nameOf(int code) {
    return switch (code) {
      case 9 -> "Q8_1";
      case 10 -> "Q2_K";
      case 11 -> "Q3_K";
      case 15 -> "Q8_K";
      case 16 -> "IQ2_XXS";
      case 17 -> "IQ2_XS";
      case 18 -> "IQ3_XXS";
      case 19 -> "IQ1_S";
      case 20 -> "IQ4_NL";
      case 21 -> "IQ3_S";
      case 22 -> "IQ2_S";
      case 23 -> "IQ4_XS";
      case 25 -> "I16";
      case 28 -> "F64";
      case 29 -> "IQ1_M";
      case 34 -> "TQ1_0";
      case 35 -> "TQ2_0";
      case 39 -> "MXFP4";
      default -> "number " + Integer.toUnsignedString(code);
    };
  }
}
