#!/usr/bin/env python3
"""Trains golden models of the llama family with PyTorch in float64 and writes the losses and gradient norms of each step.

    python3 scripts/golden/training_from_torch.py src/test/resources/golden/llama …

Writes FOLDER/training.csv (step, loss before the update, norm of all gradients before clipping). Input: the rows of input_ids but
their last token; targets: the same rows one token on. AdamW (Loshchilov and Hutter 2019): rate 3e-3, betas 0.9 and 0.95, epsilon
1e-4 (so that rounding does not decide where a gradient is near 0), weight decay 0.1 on matrices alone, gradients clipped together
to norm 1. The committed files were made with torch 2.13 and transformers 5.18.
"""
import pathlib
import sys

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

STEPS = 8


def trace(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    frequencies = {n: b.clone() for n, b in model.named_buffers()}
    model = model.double()
    for n, b in model.named_buffers():
        b.copy_(frequencies[n])
    ids = load_file(folder / "expected.safetensors")["input_ids"]
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": 0.1},
         {"params": [p for p in parameters if p.dim() == 1], "weight_decay": 0.0}],
        lr=3e-3, betas=(0.9, 0.95), eps=1e-4)
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        logits = model(ids[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1))
        loss.backward()
        norm = torch.sqrt(sum((p.grad ** 2).sum() for p in parameters))
        if norm > 1:
            for p in parameters:
                p.grad /= norm
        optimizer.step()
        yield step, loss.item(), norm.item()


for argument in sys.argv[1:]:
    path = pathlib.Path(argument)
    rows = [f"{s},{l:.12f},{n:.12f}" for s, l, n in trace(path)]
    (path / "training.csv").write_text("\n".join(["step,loss,gradient_norm", *rows]) + "\n")
