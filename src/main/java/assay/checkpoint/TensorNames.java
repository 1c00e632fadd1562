package assay.checkpoint;

import assay.model.ModelConfig;
import assay.model.TensorSpec;
import assay.model.WeightRole;

/**
 * Which tensor of a Hugging Face checkpoint holds which weight. GPT-2's matrices are stored [in,
 * out], its q, k and v side by side; Baichuan packs q, k and v one above the other.
 */
final class TensorNames {
  /**
   * Where a weight lies.
   *
   * @param name without the family's prefix
   * @param transposed stored [in, out]
   * @param first output row (column where transposed) at which it begins in the stored tensor
   * @param storedOutputs output width of the stored tensor
   */
  record Place(String name, boolean transposed, long first, long storedOutputs) {}

  private TensorNames() {}

  /** What may stand before every name but the head's. */
  static String[] prefixes(ModelConfig c) {
    return c.architecture().equals("gpt2")
        ? new String[] {"", "transformer."}
        : new String[] {"model.", ""};
  }

  static Place of(ModelConfig c, TensorSpec t) {
    return switch (c.architecture()) {
      case "gpt2" -> gpt2(c, t);
      case "baichuan" -> baichuan(c, t);
      default -> plain(llama(t), t);
    };
  }

  private static Place plain(String name, TensorSpec t) {
    return new Place(name, false, 0, outputs(t));
  }

  private static long outputs(TensorSpec t) {
    return t.role().isMatrix() ? t.rows() : t.columns();
  }

  private static String llama(TensorSpec t) {
    String layer = "layers." + t.layer() + ".";
    return switch (t.role()) {
      case EMBEDDING -> "embed_tokens.weight";
      case ATTENTION_NORM -> layer + "input_layernorm.weight";
      case Q -> layer + "self_attn.q_proj.weight";
      case K -> layer + "self_attn.k_proj.weight";
      case V -> layer + "self_attn.v_proj.weight";
      case Q_BIAS -> layer + "self_attn.q_proj.bias";
      case K_BIAS -> layer + "self_attn.k_proj.bias";
      case V_BIAS -> layer + "self_attn.v_proj.bias";
      case Q_NORM -> layer + "self_attn.q_norm.weight";
      case K_NORM -> layer + "self_attn.k_norm.weight";
      case O -> layer + "self_attn.o_proj.weight";
      case O_BIAS -> layer + "self_attn.o_proj.bias";
      case MLP_NORM -> layer + "post_attention_layernorm.weight";
      case GATE -> layer + "mlp.gate_proj.weight";
      case UP -> layer + "mlp.up_proj.weight";
      case DOWN -> layer + "mlp.down_proj.weight";
      case GATE_BIAS -> layer + "mlp.gate_proj.bias";
      case UP_BIAS -> layer + "mlp.up_proj.bias";
      case DOWN_BIAS -> layer + "mlp.down_proj.bias";
      case FINAL_NORM -> "norm.weight";
      case HEAD -> "lm_head.weight";
      case POSITION_EMBEDDING, ATTENTION_NORM_BIAS, MLP_NORM_BIAS, FINAL_NORM_BIAS, ROUTER ->
          throw new IllegalArgumentException("no " + t.role() + " in the llama family");
    };
  }

  private static Place baichuan(ModelConfig c, TensorSpec t) {
    String packed = "layers." + t.layer() + ".self_attn.W_pack.weight";
    long all = c.qDim() + 2L * c.kvDim();
    return switch (t.role()) {
      case Q -> new Place(packed, false, 0, all);
      case K -> new Place(packed, false, c.qDim(), all);
      case V -> new Place(packed, false, (long) c.qDim() + c.kvDim(), all);
      default -> plain(llama(t), t);
    };
  }

  private static Place gpt2(ModelConfig c, TensorSpec t) {
    String layer = "h." + t.layer() + ".";
    long h = c.qDim();
    return switch (t.role()) {
      case EMBEDDING -> plain("wte.weight", t);
      case POSITION_EMBEDDING -> plain("wpe.weight", t);
      case ATTENTION_NORM -> plain(layer + "ln_1.weight", t);
      case ATTENTION_NORM_BIAS -> plain(layer + "ln_1.bias", t);
      case Q, K, V -> new Place(layer + "attn.c_attn.weight", true, h * third(t.role()), 3 * h);
      case Q_BIAS, K_BIAS, V_BIAS ->
          new Place(layer + "attn.c_attn.bias", false, h * third(t.role()), 3 * h);
      case O -> new Place(layer + "attn.c_proj.weight", true, 0, t.rows());
      case O_BIAS -> plain(layer + "attn.c_proj.bias", t);
      case MLP_NORM -> plain(layer + "ln_2.weight", t);
      case MLP_NORM_BIAS -> plain(layer + "ln_2.bias", t);
      case UP -> new Place(layer + "mlp.c_fc.weight", true, 0, t.rows());
      case UP_BIAS -> plain(layer + "mlp.c_fc.bias", t);
      case DOWN -> new Place(layer + "mlp.c_proj.weight", true, 0, t.rows());
      case DOWN_BIAS -> plain(layer + "mlp.c_proj.bias", t);
      case FINAL_NORM -> plain("ln_f.weight", t);
      case FINAL_NORM_BIAS -> plain("ln_f.bias", t);
      case HEAD -> plain("lm_head.weight", t);
      case GATE, GATE_BIAS, Q_NORM, K_NORM, ROUTER ->
          throw new IllegalArgumentException("no " + t.role() + " in gpt2");
    };
  }

  private static long third(WeightRole role) {
    return switch (role) {
      case Q, Q_BIAS -> 0;
      case K, K_BIAS -> 1;
      default -> 2;
    };
  }
}
