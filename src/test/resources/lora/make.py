"""Makes the adapters of this folder and the logits that PEFT computes with them, over the golden models beside it.

Run in this folder with PEFT 0.21.0, transformers 5.18.0, torch 2.13.0 (CPU): python make.py. The adapters' values are
random; every detail of names, shapes and adapter_config.json is what PEFT writes.
"""
import json
import pathlib
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

HERE = pathlib.Path(__file__).parent
CASES = {
    # ranks and alphas that differ by module
    "llama-patterns": ("llama", dict(
        r=4, lora_alpha=8, target_modules=["q_proj", "v_proj", "down_proj"],
        rank_pattern={"layers.1.self_attn.q_proj": 7, "down_proj": 3},
        alpha_pattern={r"model\.layers\.[02]\.self_attn\.v_proj": 5})),
    # a regular expression, alpha over the root of the rank, values in bf16
    "llama-rslora": ("llama", dict(
        r=5, lora_alpha=6, use_rslora=True, target_modules=r".*\.(gate_proj|up_proj|o_proj)")),
    # biases in the base, every linear layer
    "qwen2-all": ("qwen2", dict(r=2, lora_alpha=2, target_modules="all-linear")),
    # one layer alone; gate without up
    "mistral-layer": ("mistral", dict(
        r=6, lora_alpha=3, target_modules=["k_proj", "gate_proj"], layers_to_transform=[1])),
    # matrices stored [in, out]; q, k and v share one A
    "gpt2": ("gpt2", dict(
        r=3, lora_alpha=4, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"])),
}

for number, (name, (base, options)) in enumerate(CASES.items()):
    folder = HERE.parent / "golden" / base
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, **options)).eval()
    generator = torch.Generator().manual_seed(100 + number)
    with torch.no_grad():
        for key, p in adapted.named_parameters():
            if "lora_" in key:
                value = torch.randn(p.shape, generator=generator) / p.shape[1] ** 0.5
                if name == "llama-rslora":
                    value = value.bfloat16().float()
                p.copy_(value)
    out = HERE / name
    shutil.rmtree(out, ignore_errors=True)
    adapted.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)
    config = json.loads((out / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    (out / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    if name == "llama-rslora":
        file = out / "adapter_model.safetensors"
        save_file({k: v.bfloat16() for k, v in load_file(file).items()}, file, metadata={"format": "pt"})
    ids = load_file(folder / "expected.safetensors")["input_ids"][:1, :11]
    with torch.no_grad():
        logits = adapted(ids).logits
        plain = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        change = (logits - plain(ids).logits).norm() / logits.norm()
    trainable = sum(p.numel() for k, p in adapted.named_parameters() if "lora_" in k)
    save_file({"input_ids": ids.contiguous(), "logits": logits.contiguous(),
               "trainable": torch.tensor([trainable])}, out / "expected.safetensors")
    print(name, "trainable", trainable, "changes the logits by", float(change))
