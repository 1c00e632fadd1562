#!/usr/bin/env python3
"""Makes small models with random weights and what Hugging Face transformers computes from them.

    python3 scripts/golden/from_transformers.py OUT [NAME ...]

Each folder OUT/NAME holds config.json and model.safetensors as the family's checkpoints do, and expected.safetensors with the
inputs and results that src/test/resources/golden/README.md describes. Needs torch, transformers (the committed folders were made
with 2.13 and 5.18) and safetensors; the tests need none of them.

Baichuan is not a family of transformers. Its results are computed by transformers' Llama, which is the same arithmetic after three
rewritings that the family's published description gives: W_pack is q, k and v one above the other; the head of Baichuan 2 has its
rows divided by their L2 norms; the 13B kind has no rotation (all position ids 0, so that every rotation is the identity) and ALiBi
(Press et al. 2022) added to the scores as a float mask.
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

TOKENS, GREEDY, MARGIN = 40, 16, 0.02
SHAPE = dict(
    hidden_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=16, intermediate_size=140,
    vocab_size=293, max_position_embeddings=128, bos_token_id=1, eos_token_id=2, pad_token_id=None)
FULL = SHAPE | dict(num_key_value_heads=4, head_dim=12)


def rope(theta, **scaling):
    return {"rope_type": "default", "rope_theta": theta} | scaling


def alibi_mask(heads, tokens):
    """[1, heads, tokens, tokens]: causal, minus slope times distance; slopes 2^(-8(h+1)/heads), heads a power of two."""
    slopes = torch.tensor([2.0 ** (-8.0 * (h + 1) / heads) for h in range(heads)], dtype=torch.float64)
    distance = torch.arange(tokens)[:, None] - torch.arange(tokens)[None, :]
    bias = -slopes[:, None, None] * distance
    return bias.masked_fill(distance < 0, torch.finfo(torch.float64).min)[None]


class Case:
    """A model, how it is called, and how its checkpoint differs from what transformers would write."""

    def __init__(self, config, model_class, baichuan=None):
        self.config, self.model_class, self.baichuan = config, model_class, baichuan

    def build(self, seed):
        torch.manual_seed(seed)
        self.config._attn_implementation = "eager"
        model = self.model_class(self.config).eval()
        tied = self.config.tie_word_embeddings
        with torch.no_grad():
            for name, p in model.named_parameters():
                if p.dim() > 1:
                    std = 0.05 if "embed" in name else 1.3 / p.shape[-1] ** 0.5
                    p.copy_(torch.randn_like(p) * std)
                elif "norm" in name:
                    gain = 5.0 if tied and name == "model.norm.weight" else 1.0
                    p.copy_(gain * (1 + 0.2 * torch.randn_like(p)))
                else:
                    p.copy_(0.3 * torch.randn_like(p))
        stored = {k: v.clone().contiguous() for k, v in model.state_dict().items()}
        if tied:
            del stored["lm_head.weight"]
        if self.baichuan:
            stored = self.pack(stored)
            if self.baichuan.get("normalized"):
                head = model.lm_head.weight.data
                head.copy_(head.double() / head.double().norm(dim=1, keepdim=True))
        # The judge computes in float64, from the float32 weights that are stored.
        frequencies = {n: b.clone() for n, b in model.named_buffers()}
        model = model.double()
        for n, b in model.named_buffers():
            b.copy_(frequencies[n])
        return stored, model

    def pack(self, stored):
        if self.baichuan.get("normalized"):
            # Scaled rows, so that a reader that forgets the division is caught; the scale does not survive it.
            stored["lm_head.weight"] *= torch.linspace(0.5, 2.0, self.config.vocab_size)[:, None]
        for layer in range(self.config.num_hidden_layers):
            at = f"model.layers.{layer}.self_attn."
            stored[at + "W_pack.weight"] = torch.cat([stored.pop(at + f"{n}_proj.weight") for n in "qkv"])
        return stored

    def inputs(self, tokens):
        if self.baichuan and self.baichuan.get("alibi"):
            mask = alibi_mask(self.config.num_attention_heads, tokens)
            return dict(attention_mask=mask, position_ids=torch.zeros(1, tokens, dtype=torch.long))
        return {}

    def config_json(self):
        if not self.baichuan:
            return self.config.to_dict() | {"architectures": [self.model_class.__name__]}
        keep = ["hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size", "rms_norm_eps",
                "hidden_act", "tie_word_embeddings", "bos_token_id", "eos_token_id"]
        out = {k: getattr(self.config, k) for k in keep} | {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan"}
        context = {"model_max_length": 128} if self.baichuan.get("alibi") else {"max_position_embeddings": 128}
        return out | context | ({"z_loss_weight": 0} if self.baichuan.get("normalized") else {})


CASES = {
    "qwen3": Case(Qwen3Config(**SHAPE, rms_norm_eps=1e-6, rope_parameters=rope(1e6), tie_word_embeddings=True), Qwen3ForCausalLM),
    "qwen3-window": Case(
        Qwen3Config(**SHAPE, rms_norm_eps=1e-6, rope_parameters=rope(1e6), tie_word_embeddings=False, attention_bias=True,
                    use_sliding_window=True, sliding_window=7, max_window_layers=1), Qwen3ForCausalLM),
    "llama-bias-linear": Case(
        LlamaConfig(**SHAPE, rms_norm_eps=1e-5, rope_parameters=rope(1e4, rope_type="linear", factor=4.0), attention_bias=True,
                    mlp_bias=True, tie_word_embeddings=False, hidden_act="gelu_pytorch_tanh"), LlamaForCausalLM),
    "baichuan": Case(LlamaConfig(**FULL, rms_norm_eps=1e-6, rope_parameters=rope(1e4)), LlamaForCausalLM, {"rope": True}),
    "baichuan2": Case(LlamaConfig(**FULL, rms_norm_eps=1e-6, rope_parameters=rope(1e4)), LlamaForCausalLM, {"normalized": True}),
    "baichuan2-alibi": Case(
        LlamaConfig(**FULL, rms_norm_eps=1e-6, rope_parameters=rope(1e4)), LlamaForCausalLM, {"normalized": True, "alibi": True}),
}


def results(case, model, ids):
    with torch.no_grad():
        rows = [model(r[None], output_hidden_states=True, use_cache=False, **case.inputs(len(r))) for r in ids]
        out = {"input_ids": ids, "logits": torch.cat([r.logits for r in rows]).float()}
        captured = []
        hooks = [b.register_forward_hook(lambda m, i, o: captured.append(o if torch.is_tensor(o) else o[0]))
                 for b in model.model.layers]
        first = model.model(ids[:1], use_cache=False, output_hidden_states=True, **case.inputs(ids.shape[1]))
        for h in hooks:
            h.remove()
        out["embedding"] = first.hidden_states[0][0].float()
        for i, c in enumerate(captured):
            out[f"block_{i}"] = c[0].float()
        out["final_norm"] = first.last_hidden_state[0].float()
        tokens, lead = ids[0].tolist(), float("inf")
        for _ in range(GREEDY):
            last = model(torch.tensor([tokens]), use_cache=False, **case.inputs(len(tokens))).logits[0, -1]
            top = last.topk(2)
            lead = min(lead, (top.values[0] - top.values[1]).item())
            tokens.append(top.indices[0].item())
        out["greedy_ids"] = torch.tensor(tokens[-GREEDY:])
        return {k: v.contiguous() for k, v in out.items()}, lead


def make(name, folder):
    case = CASES[name]
    for seed in range(1000):
        stored, model = case.build(seed)
        ids = torch.randint(0, case.config.vocab_size, (2, TOKENS))
        expected, lead = results(case, model, ids)
        if lead >= MARGIN:
            break
    else:
        raise SystemExit(f"{name}: no seed leads by {MARGIN} at every greedy step")
    folder.mkdir(parents=True, exist_ok=True)
    config = {k: v for k, v in case.config_json().items() if k not in ("_name_or_path", "transformers_version")}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    save_file(stored, folder / "model.safetensors", metadata={"format": "pt"})
    save_file(expected, folder / "expected.safetensors")
    print(f"{name}: seed {seed}, greedy lead {lead:.3f}, logits std {expected['logits'].std():.2f}")


def main(arguments):
    if not arguments or arguments[0].startswith("-") or any(n not in CASES for n in arguments[1:]):
        raise SystemExit(f"use: from_transformers.py OUT [NAME ...]; names: {', '.join(CASES)}")
    for name in arguments[1:] or CASES:
        make(name, pathlib.Path(arguments[0]) / name)


if __name__ == "__main__":
    main(sys.argv[1:])
