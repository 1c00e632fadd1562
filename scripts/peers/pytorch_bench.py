#!/usr/bin/env python3
"""The shapes that Assay measures, in PyTorch, alternating with Assay in the same run.

One round is Assay and PyTorch eager, SDPA and compiled, each a prefill and a stretch of decoding over a static KV cache;
rounds repeat, each beginning with another one, so that a device that gets warmer does so for all. With --logits, a random Llama of transformers is
saved and both give its logits. Needs PyTorch; transformers and safetensors for --logits. Results: JSON lines, one per
sample, and a table of medians on standard output. Nothing here belongs to Assay's own figures.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# hidden, intermediate, layers, heads, key/value heads, head dim, vocabulary: the presets of `assay models`.
SHAPES = {
    "tiny": (288, 768, 6, 6, 6, 48, 32000),
    "tinyllama-1.1b": (2048, 5632, 22, 32, 4, 64, 32000),
    "llama-3.1-8b": (4096, 14336, 32, 32, 8, 128, 128256),
}
MODES = ("eager", "sdpa", "compiled")
SEED = 11


def arguments(argv):
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--shape", default="llama-3.1-8b", choices=sorted(SHAPES))
    p.add_argument("--precision", default="bf16", choices=["fp32", "fp16", "bf16"])
    p.add_argument("--batch", type=int, default=1)
    p.add_argument("--prompt", type=int, default=2048, help="tokens of the prefill")
    p.add_argument("--generate", type=int, default=64, help="generated tokens: one from the prefill, the rest decoded")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--modes", default=",".join(MODES), help="of " + ", ".join(MODES))
    p.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    p.add_argument("--assay", help="the launcher of Assay; without it only PyTorch is measured")
    p.add_argument("--cuda-libraries", help="handed on to Assay")
    p.add_argument("--logits", action="store_true", help="compare logits with transformers' instead of measuring")
    p.add_argument("--seconds", type=float, default=120, help="no round begins after so long")
    p.add_argument("--out", type=Path, default=Path("pytorch.jsonl"))
    a = p.parse_args(argv)
    unknown = set(a.modes.split(",")) - set(MODES)
    if unknown:
        p.error("--modes: unknown " + ", ".join(sorted(unknown)))
    if min(a.batch, a.prompt, a.rounds) < 1 or a.generate < 2:
        p.error("expected counts of 1 or more, and two generated tokens or more")
    return a


# ---- the model: a decoder of the Llama family, as plain as it can be


def build(torch, shape, batch, slots, dtype, device):
    """Random weights; a dict of tensors for each layer, the tables, and the cache [batch, kvHeads, slots, headDim]."""
    hidden, inner, layers, heads, kv_heads, head_dim, vocabulary = shape
    generator = torch.Generator(device=device).manual_seed(SEED)

    def weight(rows, columns):
        w = torch.empty(rows, columns, dtype=dtype, device=device)
        return w.normal_(0, columns**-0.5, generator=generator)

    def layer():
        return {
            "qkv": weight((heads + 2 * kv_heads) * head_dim, hidden),
            "o": weight(hidden, heads * head_dim),
            "gate_up": weight(2 * inner, hidden),
            "down": weight(hidden, inner),
            "norm1": torch.ones(hidden, dtype=dtype, device=device),
            "norm2": torch.ones(hidden, dtype=dtype, device=device),
            "k": torch.zeros(batch, kv_heads, slots, head_dim, dtype=dtype, device=device),
            "v": torch.zeros(batch, kv_heads, slots, head_dim, dtype=dtype, device=device),
        }

    angles = torch.outer(
        torch.arange(slots, dtype=torch.float32, device=device),
        10000.0 ** (-torch.arange(0, head_dim, 2, dtype=torch.float32, device=device) / head_dim),
    )
    return {
        "layers": [layer() for _ in range(layers)],
        "embed": weight(vocabulary, hidden),
        "head": weight(vocabulary, hidden),
        "norm": torch.ones(hidden, dtype=dtype, device=device),
        "cos": angles.cos(),
        "sin": angles.sin(),
    }


def make_forward(torch, shape, fused):
    """forward(model, ids [batch, tokens], positions [tokens]) -> next ids [batch, 1]; attends to the whole cache."""
    functional = torch.nn.functional
    hidden, inner, _, heads, kv_heads, head_dim, _ = shape

    def norm(x, gain):
        f = x.float()
        return (f * torch.rsqrt(f.pow(2).mean(-1, keepdim=True) + 1e-5)).to(x.dtype) * gain

    def rope(x, cos, sin):
        a, b = x.float().chunk(2, -1)
        return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)

    def attention(q, k, v, mask):
        if fused:
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=heads != kv_heads)
        k = k.repeat_interleave(heads // kv_heads, 1)
        v = v.repeat_interleave(heads // kv_heads, 1)
        scores = (q @ k.transpose(-1, -2)).float() * head_dim**-0.5
        return scores.masked_fill(~mask, float("-inf")).softmax(-1).to(q.dtype) @ v

    def forward(model, ids, positions):
        batch, tokens = ids.shape
        cos, sin = model["cos"][positions], model["sin"][positions]
        slots = model["layers"][0]["k"].shape[2]
        mask = torch.arange(slots, device=ids.device)[None, :] <= positions[:, None]
        x = model["embed"][ids]
        for w in model["layers"]:
            qkv = functional.linear(norm(x, w["norm1"]), w["qkv"]).view(batch, tokens, -1, head_dim).transpose(1, 2)
            q, k, v = qkv.split((heads, kv_heads, kv_heads), 1)
            w["k"].index_copy_(2, positions, rope(k, cos, sin))
            w["v"].index_copy_(2, positions, v)
            y = attention(rope(q, cos, sin), w["k"], w["v"], mask)
            x = x + functional.linear(y.transpose(1, 2).reshape(batch, tokens, -1), w["o"])
            gate, up = functional.linear(norm(x, w["norm2"]), w["gate_up"]).chunk(2, -1)
            x = x + functional.linear(functional.silu(gate) * up, w["down"])
        logits = functional.linear(norm(x[:, -1:], model["norm"]), model["head"])
        return logits.argmax(-1)

    return forward


# ---- measuring


def sample(torch, model, prefill, decode, ids, generate):
    """Seconds of one prefill and of one decode pass, by the device's clock where it has one."""
    tokens = ids.shape[1]
    cuda = ids.is_cuda
    if cuda:
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(3)]
    stamps = []

    def mark():
        if cuda:
            marks[len(stamps)].record()
            stamps.append(None)
        else:
            stamps.append(time.perf_counter())

    positions = torch.arange(tokens, device=ids.device)
    at = torch.tensor([tokens], device=ids.device)
    mark()
    token = prefill(model, ids, positions).clone()
    mark()
    for _ in range(generate - 1):
        token = decode(model, token, at).clone()
        at += 1
    mark()
    if cuda:
        torch.cuda.synchronize()
        seconds = [marks[i].elapsed_time(marks[i + 1]) * 1e-3 for i in range(2)]
    else:
        seconds = [stamps[i + 1] - stamps[i] for i in range(2)]
    return seconds[0], seconds[1] / (generate - 1)


def ours(a, command):
    """Runs Assay and returns what it prints."""
    more = ["--cuda-libraries", a.cuda_libraries] if a.cuda_libraries else []
    done = subprocess.run(command + more, capture_output=True, text=True, timeout=max(60, a.seconds))
    if done.returncode != 0:
        raise RuntimeError("assay exits %d: %s" % (done.returncode, done.stderr.strip().splitlines()[-1:]))
    return done.stdout


def assay_sample(a, folder):
    command = [
        a.assay, "bench", a.shape, "--device", a.device, "--json", "--precision", a.precision, "--batch", str(a.batch),
        "--prompt", str(a.prompt), "--generate", str(a.generate), "--out", str(folder),
    ]  # fmt: skip
    measured = json.loads(ours(a, command))["results"][0]["measured"]
    return measured["prefill_seconds"]["median"], measured["decode_seconds_per_token"]["median"]


def measure(a, torch):
    shape = SHAPES[a.shape]
    dtype = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[a.precision]
    torch.backends.cuda.matmul.allow_tf32 = False
    ids = torch.randint(shape[6], (a.batch, a.prompt), generator=torch.Generator().manual_seed(SEED)).to(a.device)
    model = build(torch, shape, a.batch, a.prompt + a.generate - 1, dtype, a.device)
    # Otherwise a compiled step copies weights and cache into memory of its own graph at every call, or has no graph.
    for tensor in [t for w in model["layers"] for t in w.values()] + [t for n, t in model.items() if n != "layers"]:
        torch._dynamo.mark_static_address(tensor)
    runs = {}
    for mode in a.modes.split(","):
        forward = make_forward(torch, shape, fused=mode != "eager")
        decode = torch.compile(forward, mode="reduce-overhead" if a.device == "cuda" else None) if mode == "compiled" else forward
        prefill = torch.compile(forward) if mode == "compiled" else forward
        runs[mode] = (prefill, decode)
    samples = {}
    began = time.monotonic()
    with a.out.open("a") as out, tempfile.TemporaryDirectory() as folder, torch.no_grad():
        out.write(json.dumps(environment(a, torch)) + "\n")

        def keep(who, prefill, decode, **more):
            samples.setdefault(who, []).append((prefill, decode))
            row = {"who": who, "prefill_seconds": prefill, "decode_seconds_per_token": decode, **more}
            out.write(json.dumps(row) + "\n")
            out.flush()

        def failed(who, e):  # who does not work is reported, not fatal
            why = (str(e).splitlines() or [type(e).__name__])[0]
            print("pytorch_bench: %s does not run: %s" % (who, why), file=sys.stderr)
            out.write(json.dumps({"who": who, "failed": why}) + "\n")

        ready = ["assay"] if a.assay else []

        def warm_up(modes):
            for mode in modes:
                try:
                    for _ in range(2):
                        sample(torch, model, *runs[mode], ids, min(a.generate, 8))
                    ready.append(mode)
                except Exception as e:
                    failed(mode, e)

        def take(who, r):
            try:
                if who == "assay":
                    keep(who, *assay_sample(a, Path(folder) / str(r)), round=r)
                else:
                    keep(who, *sample(torch, model, *runs[who], ids, a.generate), round=r)
            except Exception as e:
                failed(who, e)
                ready.remove(who)

        longest = 0
        try:
            # The first round goes without what must be compiled, which can take longer than there is time.
            warm_up([m for m in runs if m != "compiled"])
            for r in range(a.rounds):
                if r == min(1, a.rounds - 1):
                    warm_up([m for m in runs if m == "compiled"])
                start = time.monotonic()
                if start + longest - began > a.seconds:
                    print("pytorch_bench: %d of %d rounds in %.0f s" % (r, a.rounds, a.seconds), file=sys.stderr)
                    break
                # Each round begins with another one, so that nobody always follows the same.
                first = r % max(1, len(ready))
                for who in ready[first:] + ready[:first]:
                    take(who, r)
                longest = max(longest, time.monotonic() - start)
        except KeyboardInterrupt:  # what is there is worth its table
            print("pytorch_bench: interrupted", file=sys.stderr)
    return samples


def environment(a, torch):
    gpu = torch.cuda.get_device_name() if a.device == "cuda" else None
    shape = dict(zip(("hidden", "intermediate", "layers", "heads", "kv_heads", "head_dim", "vocabulary"), SHAPES[a.shape]))
    return {
        "environment": {"torch": torch.__version__, "cuda": torch.version.cuda, "gpu": gpu},
        "workload": {"shape": a.shape, **shape, "precision": a.precision, "batch": a.batch, "prompt": a.prompt, "generate": a.generate},
    }  # fmt: skip


def table(a, samples):
    print("%s %s, batch %d, prompt %d on %s" % (a.shape, a.precision, a.batch, a.prompt, a.device))
    print("%-10s %14s %14s %8s" % ("", "prefill ms", "decode ms", "samples"))
    for who, times in samples.items():
        prefill, decode = (statistics.median(t[i] for t in times) * 1e3 for i in (0, 1))
        print("%-10s %14.3f %14.3f %8d" % (who, prefill, decode, len(times)))


# ---- logits


def logits(a, torch):
    """Largest difference between Assay's fp32 logits and transformers' in float64, relative to the largest logit."""
    import safetensors.torch
    import transformers

    config = transformers.LlamaConfig(
        hidden_size=288, intermediate_size=768, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
        vocab_size=1031, max_position_embeddings=128, tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(SEED)
    model = transformers.LlamaForCausalLM(config).eval()
    ids = torch.randint(config.vocab_size, (2, 37))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        model.save_pretrained(folder, safe_serialization=True)
        safetensors.torch.save_file({"input_ids": ids}, folder + "/ids.safetensors")
        command = [
            a.assay, "logits", folder, "--ids-file", folder + "/ids.safetensors", "--out", folder + "/out.safetensors",
            "--precision", "fp32", "--device", a.device,
        ]  # fmt: skip
        ours(a, command)
        mine = safetensors.torch.load_file(folder + "/out.safetensors")["logits"].double()
        theirs = model.double()(ids).logits
    worst = (mine - theirs).abs().max().item() / theirs.abs().max().item()
    row = {"who": "logits", "transformers": transformers.__version__, "worst_relative_to_largest": worst}
    with a.out.open("a") as out:
        out.write(json.dumps(row) + "\n")
    print("logits of %s: largest difference %.2e of the largest logit" % (transformers.__version__, worst))
    return 0 if worst <= 1e-4 else 5  # NaN fails


def main(argv):
    a = arguments(argv)
    try:
        import torch
    except ImportError:
        print("pytorch_bench: no PyTorch in %s" % sys.executable, file=sys.stderr)
        return 2
    if a.device == "cuda" and not torch.cuda.is_available():
        print("pytorch_bench: PyTorch sees no GPU", file=sys.stderr)
        return 2
    if a.logits:
        if not a.assay:
            print("pytorch_bench: --logits needs --assay", file=sys.stderr)
            return 2
        try:
            return logits(a, torch)
        except ImportError as e:
            print("pytorch_bench: --logits needs %s" % e.name, file=sys.stderr)
            return 2
    table(a, measure(a, torch))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
