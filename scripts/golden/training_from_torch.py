#!/usr/bin/env python3
"""Trains golden models of the llama family with PyTorch and writes the losses and gradient norms of each step.

    python3 scripts/golden/training_from_torch.py src/test/resources/golden/llama …

Writes FOLDER/training.csv (step, loss before the update, norm of all gradients before clipping), and the same as training-NAME.csv
for adam, sgd, sgd-momentum, lora (peft) and bf16. Input: the rows of input_ids but their last token; targets: the same rows one
token on. All in float64 but bf16: there weights, activations and gradients are bfloat16, and the optimiser works on float32 copies
(Micikevicius et al. 2018). AdamW (Loshchilov and Hutter 2019): rate 3e-3, betas 0.9 and 0.95, epsilon 1e-4 (so that rounding does
not decide where a gradient is near 0), weight decay 0.1 on matrices alone; Adam the same without decay; SGD: rate 0.1, decay 0.1,
momentum 0 or 0.9. Gradients are clipped together to norm 1. LoRA: rank 2, alpha 6, on q, v and down; A and B begin as sines (see
sines()). The committed files were made with torch 2.13, transformers 5.18 and peft 0.21.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

STEPS = 8


def load(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    frequencies = {n: b.clone() for n, b in model.named_buffers()}
    model = model.double()
    for n, b in model.named_buffers():
        b.copy_(frequencies[n])
    return model


def sines(rows, columns, phase):
    """0.1 sin(k + phase), k counting elements row by row, rounded to float32 as Assay's weights are."""
    k = torch.arange(rows * columns, dtype=torch.float64)
    return (0.1 * torch.sin(k + phase)).float().double().reshape(rows, columns)


def with_adapters(model):
    from peft import LoraConfig, get_peft_model
    model = get_peft_model(model, LoraConfig(
        r=2, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"], lora_dropout=0.0, task_type="CAUSAL_LM"))
    for name, p in model.named_parameters():
        if "lora_" in name:
            p.data = sines(*p.shape, phase=1 if "lora_A" in name else 2)
    return model


def optimizer(name, parameters):
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.0 if name == "adam" else 0.1},
              {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}]
    if name.startswith("sgd"):
        return torch.optim.SGD(groups, lr=0.1, momentum=0.9 if name == "sgd-momentum" else 0.0)
    return torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95), eps=1e-4)


def trace(folder, name):
    model = load(folder)
    ids = load_file(folder / "expected.safetensors")["input_ids"]
    if name == "lora":
        model = with_adapters(model)
    if name == "bf16":
        model = model.to(torch.bfloat16)
    parameters = [p for p in model.parameters() if p.requires_grad]
    masters = [p.detach().float().clone() for p in parameters] if name == "bf16" else parameters
    if name == "bf16":
        # The copies begin as the checkpoint's own values.
        masters = [p.detach().float().clone() for p in load(folder).parameters()]
    update = optimizer(name, masters)
    for step in range(1, STEPS + 1):
        model.zero_grad()
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        logits = logits.float() if name == "bf16" else logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
        loss.backward()
        for p, m in zip(parameters, masters):
            m.grad = p.grad.to(m.dtype) if m is not p else p.grad
        norm = torch.sqrt(sum((m.grad ** 2).sum() for m in masters))
        if norm > 1:
            for m in masters:
                m.grad /= norm
        update.step()
        for p, m in zip(parameters, masters):
            if m is not p:
                p.data.copy_(m)
        yield step, loss.item(), norm.item()


for argument in sys.argv[1:]:
    path = pathlib.Path(argument)
    for name in ["adamw", "adam", "sgd", "sgd-momentum", "lora", "bf16"]:
        rows = [f"{s},{l:.12f},{n:.12f}" for s, l, n in trace(path, name)]
        file = "training.csv" if name == "adamw" else f"training-{name}.csv"
        (path / file).write_text("\n".join(["step,loss,gradient_norm", *rows]) + "\n")
