package assay.checkpoint;

import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightRole;

/**
 * Where a weight stands in a GGUF file, and in which order its rows: llama.cpp rotates neighbouring
 * elements in the llama family, so its files hold the rows of q and k of each head interleaved.
 */
final class GgufNames {
  /**
   * A tensor's place.
   *
   * @param name in the file
   * @param first row of ours in the stored tensor (q, k and v share one in gpt2)
   * @param storedRows rows of the stored tensor, or the length of a vector
   * @param interleaved rows of each head alternate between its first and second half
   */
  record Place(String name, long first, long storedRows, boolean interleaved) {
    /** Which of our rows stands at a row of the file, counted from {@link #first}. */
    long ours(long stored, int headDim) {
      if (!interleaved) {
        return stored;
      }
      long head = stored / headDim;
      long within = stored % headDim;
      return head * headDim + within % 2 * (headDim / 2) + within / 2;
    }

    /** The stored row that holds ours. */
    long row(long ours, int headDim) {
      if (!interleaved) {
        return first + ours;
      }
      long head = ours / headDim;
      long within = ours % headDim;
      int half = headDim / 2;
      return first + head * headDim + (within % half) * 2 + within / half;
    }
  }

  private GgufNames() {}

  static Place of(ModelConfig c, String architecture, TensorSpec t) {
    long outputs = t.role().isMatrix() ? t.rows() : t.columns();
    if (architecture.equals("gpt2") && isQkv(t.role())) {
      String suffix = t.role().isMatrix() ? ".weight" : ".bias";
      String name = "blk." + t.layer() + ".attn_qkv" + suffix;
      return new Place(name, fusedFirst(c, t.role()), c.qDim() + 2L * c.kvDim(), false);
    }
    return new Place(name(t), 0, outputs, architecture.equals("llama") && isRotated(t.role()));
  }

  private static boolean isQkv(WeightRole role) {
    return switch (role) {
      case Q, K, V, Q_BIAS, K_BIAS, V_BIAS -> true;
      default -> false;
    };
  }

  private static boolean isRotated(WeightRole role) {
    return switch (role) {
      case Q, K, Q_BIAS, K_BIAS -> true;
      default -> false;
    };
  }

  private static long fusedFirst(ModelConfig c, WeightRole role) {
    return switch (role) {
      case K, K_BIAS -> c.qDim();
      case V, V_BIAS -> (long) c.qDim() + c.kvDim();
      default -> 0;
    };
  }

  private static String name(TensorSpec t) {
    String block = "blk." + t.layer() + ".";
    return switch (t.role()) {
      case EMBEDDING -> "token_embd.weight";
      case POSITION_EMBEDDING -> "position_embd.weight";
      case ATTENTION_NORM -> block + "attn_norm.weight";
      case ATTENTION_NORM_BIAS -> block + "attn_norm.bias";
      case Q -> block + "attn_q.weight";
      case K -> block + "attn_k.weight";
      case V -> block + "attn_v.weight";
      case Q_BIAS -> block + "attn_q.bias";
      case K_BIAS -> block + "attn_k.bias";
      case V_BIAS -> block + "attn_v.bias";
      case Q_NORM -> block + "attn_q_norm.weight";
      case K_NORM -> block + "attn_k_norm.weight";
      case O -> block + "attn_output.weight";
      case O_BIAS -> block + "attn_output.bias";
      case MLP_NORM -> block + "ffn_norm.weight";
      case MLP_NORM_BIAS -> block + "ffn_norm.bias";
      case ROUTER -> block + "ffn_gate_inp.weight";
      case GATE -> block + "ffn_gate.weight";
      case UP -> block + "ffn_up.weight";
      case DOWN -> block + "ffn_down.weight";
      case GATE_BIAS -> block + "ffn_gate.bias";
      case UP_BIAS -> block + "ffn_up.bias";
      case DOWN_BIAS -> block + "ffn_down.bias";
      case FINAL_NORM -> "output_norm.weight";
      case FINAL_NORM_BIAS -> "output_norm.bias";
      case HEAD -> "output.weight";
    };
  }
}
