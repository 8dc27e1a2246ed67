"""Gradients of the SFT and DPO losses by torch + transformers, for the tiny checkpoints of test/fixtures/<family>.

    python test/contracts/golden-gradients/make.py      (torch 2.13, transformers 5.18; about ten seconds, no network)

Data and beta are those of test/fixtures/steps/golden-steps.json, the whole data one batch; the DPO reference is the model
itself with 1 % noise on its weights, so that margins are not zero. Computed in float64, written as little-endian float32,
base64, one text a parameter, under our names and in our shapes (GPT-2: as src/lm/stored-layout.ts
unpacks it). `float32Error`: largest |g32 − g64| / max|g64| over parameters, of torch itself.
"""
import base64
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES / "steps"))
from make import token_logprobs  # noqa: E402

# Every architecture among the checkpoints: "sharded" and "rope-llama3-old" are two of these in other files or spelling.
MODELS = ("gqa-untied", "biases", "tied-old-spelling", "wide-heads", "rope-llama3-new", "rope-linear-new",
          "rope-linear-old", "f16", "bf16", "smollm2", "rope-dynamic", "rope-yarn", "rope-yarn-all",
          "mistral/no-window", "mistral/wide-window", "qwen2/tied", "qwen2/untied", "qwen3/tied",
          "qwen3/biases", "gpt2/tied", "gpt2/untied-gelu", "gpt2/hub-names")
GPT2 = {"ln_1": "input_layernorm", "attn.c_proj": "self_attn.o_proj", "ln_2": "post_attention_layernorm",
        "mlp.c_fc": "mlp.up_proj", "mlp.c_proj": "mlp.down_proj"}
GPT2_ENDS = {"transformer.wte.weight": "model.embed_tokens.weight", "transformer.wpe.weight": "model.embed_positions.weight",
             "transformer.ln_f.weight": "model.norm.weight", "transformer.ln_f.bias": "model.norm.bias"}


def load(name, dtype):
    folder = FIXTURES / (name if "/" in name else f"llama/{name}")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").to(dtype)
    return model.train() if "gpt2" not in name else model.eval()  # GPT-2's configs have dropout


def ours(name, gradient):
    """[(our name, gradient in our shape)] of one of torch's parameters."""
    if name in GPT2_ENDS:
        return [(GPT2_ENDS[name], gradient)]
    if not name.startswith("transformer.h."):
        return [(name, gradient)]
    _, _, layer, rest = name.split(".", 3)
    module, kind = rest.rsplit(".", 1)
    turned = gradient.T if gradient.dim() == 2 else gradient
    at = f"model.layers.{layer}"
    if module == "attn.c_attn":
        return [(f"{at}.self_attn.{p}_proj.{kind}", g) for p, g in zip("qkv", turned.chunk(3))]
    return [(f"{at}.{GPT2[module]}.{kind}", turned)]


def noisy(name):
    model = load(name, torch.float64)
    g = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1 + 0.01 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return model


def reference_of(name, pairs):
    model = noisy(name)
    with torch.no_grad():
        return [[token_logprobs(model, r[k]).sum().item() for k in ("chosen", "rejected")] for r in pairs]


def loss_of(model, objective, golden, reference):
    if objective == "sft":
        return -torch.cat([token_logprobs(model, r) for r in golden["data"]["sft"]]).mean()
    margins = [token_logprobs(model, r["chosen"]).sum() - token_logprobs(model, r["rejected"]).sum() - (a - b)
               for r, (a, b) in zip(golden["data"]["dpo"], reference)]
    return -F.logsigmoid(golden["beta"] * torch.stack(margins)).mean()


def gradients(name, objective, golden, reference, dtype):
    model = load(name, dtype)
    loss = loss_of(model, objective, golden, reference)
    loss.backward()
    return loss.item(), {k: g for n, p in model.named_parameters() for k, g in ours(n, p.grad.double())}


if __name__ == "__main__":
    golden = json.loads((FIXTURES / "steps" / "golden-steps.json").read_text())
    cases = []
    for name in MODELS:
        reference = reference_of(name, golden["data"]["dpo"])
        for objective in ("sft", "dpo"):
            loss, g = gradients(name, objective, golden, reference, torch.float64)
            _, g32 = gradients(name, objective, golden, reference, torch.float32)
            error = max(float((g[k] - g32[k]).abs().max() / g[k].abs().max()) for k in g if not k.endswith("k_proj.bias"))
            texts = {k: base64.b64encode(v.float().contiguous().numpy().astype("<f4").tobytes()).decode() for k, v in g.items()}
            cases.append(dict(model=name, objective=objective, loss=loss, reference=reference, float32Error=error, gradients=texts))
            print(name, objective, loss, error)
    (HERE / "golden-gradients.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
