"""Gradients of adapters, and weights after a few steps of AdamW, by torch + PEFT, for tiny checkpoints of test/fixtures.

    python test/contracts/golden-lora/make.py      (torch 2.13, transformers 5.18, peft 0.21; seconds, no network)

Data and beta are those of test/fixtures/steps/golden-steps.json, the whole data one batch; the DPO reference is the base, with
the adapter off. Adapters start as engine-lora.ts' goldenStart: A[i] = sin(i + 1) / 4, B[i] = cos(i + 1) / 8. golden-lora.jsonl:
loss and gradients in float64, written as little-endian float32, base64. golden-steps.jsonl: three steps of torch's AdamW in float32,
constant learning rate, on A and B alone: losses, and A and B after them.
"""
import base64
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES / "steps"))
from make import token_logprobs  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

LLAMA = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
CASES = [("gqa-untied", 4, 8, []), ("biases", 2, 8, ["q_proj", "v_proj"]), ("qwen3/tied", 3, 3, []), ("gpt2/tied", 4, 8, [])]
STEPS, LEARNING_RATE, WEIGHT_DECAY = 3, 1e-2, 0.01


def load(name, rank, alpha, targets, dtype):
    folder = FIXTURES / (name if "/" in name else f"llama/{name}")
    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").to(dtype)
    every = ["c_attn", "c_proj", "c_fc"] if "gpt2" in name else LLAMA
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules=targets or every,
                        fan_in_fan_out="gpt2" in name, task_type="CAUSAL_LM")
    model = get_peft_model(base, config).to(dtype).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lora_" in key:
                i = torch.arange(1, p.numel() + 1, dtype=torch.float64)
                p.copy_((torch.sin(i) / 4 if "lora_A" in key else torch.cos(i) / 8).view(p.shape))
    return model


def loss_of(model, objective, golden, reference):
    if objective == "sft":
        return -torch.cat([token_logprobs(model, r) for r in golden["data"]["sft"]]).mean()
    margins = [token_logprobs(model, r["chosen"]).sum() - token_logprobs(model, r["rejected"]).sum() - (a - b)
               for r, (a, b) in zip(golden["data"]["dpo"], reference)]
    return -F.logsigmoid(golden["beta"] * torch.stack(margins)).mean()


def reference_of(model, pairs):
    with torch.no_grad(), model.disable_adapter():
        return [[token_logprobs(model, r[k]).sum().item() for k in ("chosen", "rejected")] for r in pairs]


def told(tensors):
    """Our name of a layer -> {a, b}."""
    out = {}
    for key, t in tensors:
        module, kind = key.removeprefix("base_model.model.").split(".lora_")
        text = base64.b64encode(t.float().contiguous().numpy().astype("<f4").tobytes()).decode()
        out.setdefault(module, {})[kind[0].lower()] = text
    return out


def trained(model):
    return [(k, p) for k, p in model.named_parameters() if p.requires_grad]


def steps(case, objective, golden):
    model = load(*case, torch.float32)
    reference = reference_of(model, golden["data"]["dpo"])
    optimizer = torch.optim.AdamW([p for _, p in trained(model)], lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8,
                                  weight_decay=WEIGHT_DECAY)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(model, objective, golden, reference)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, told([(k, p.detach()) for k, p in trained(model)])


if __name__ == "__main__":
    golden = json.loads((FIXTURES / "steps" / "golden-steps.json").read_text())
    gradients, weights = [], []
    for case in CASES:
        name, rank, alpha, targets = case
        about = dict(model=name, lora=dict(rank=rank, alpha=alpha, dropout=0, targets=targets))
        for objective in ("sft", "dpo"):
            model = load(*case, torch.float64)
            reference = reference_of(model, golden["data"]["dpo"])
            loss = loss_of(model, objective, golden, reference)
            loss.backward()
            gradients.append(dict(**about, objective=objective, loss=loss.item(), reference=reference,
                                  gradients=told([(k, p.grad) for k, p in trained(model)])))
            losses, after = steps(case, objective, golden)
            weights.append(dict(**about, objective=objective, learningRate=LEARNING_RATE, weightDecay=WEIGHT_DECAY,
                                losses=losses, after=after))
            print(name, objective, loss.item(), losses)
    for file, lines in (("golden-lora.jsonl", gradients), ("golden-steps.jsonl", weights)):
        (HERE / file).write_text("".join(json.dumps(line) + "\n" for line in lines))
