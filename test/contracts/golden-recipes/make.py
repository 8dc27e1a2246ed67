"""Gradients of the preference losses beside plain DPO, by torch + transformers: IPO, DPO + NLL, pairs partly reversed.

    python test/contracts/golden-recipes/make.py      (torch 2.13, transformers 5.18; about ten seconds, no network)

Data, beta and the noisy reference are those of golden-gradients/make.py, the whole data one batch. Computed in float64,
written as little-endian float32, base64, one text a parameter. The losses are written out anew from the papers:
- IPO (Azar et al. 2023, eq. 17): (h - 1/(2 beta))^2, h the difference of summed log-ratios;
- Iterative RPO (Pang et al. 2024): -log sigmoid(beta h) - alpha log p(chosen) / its target tokens;
- CREAM (Wang et al. 2024): C L(h) + (1 - C) L(-h).
"""
import base64
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures"
sys.path.insert(0, str(FIXTURES / "steps"))
sys.path.insert(1, str(HERE.parent / "golden-gradients"))
import importlib.util  # noqa: E402

spec = importlib.util.spec_from_file_location("golden_gradients", HERE.parent / "golden-gradients" / "make.py")
golden_gradients = importlib.util.module_from_spec(spec)
spec.loader.exec_module(golden_gradients)
from make import load, token_logprobs  # noqa: E402

MODELS = ("gqa-untied", "tied-old-spelling")
RECIPES = (
    dict(loss="ipo", nll=0, agreement=1),
    dict(loss="sigmoid", nll=1, agreement=1),
    dict(loss="sigmoid", nll=0, agreement=0.7),
    dict(loss="ipo", nll=0.5, agreement=0.25),
)


def loss_of(model, recipe, golden, reference):
    beta, losses = golden["beta"], []
    for row, (a, b) in zip(golden["data"]["dpo"], reference):
        chosen = token_logprobs(model, row["chosen"])
        h = (chosen.sum() - a) - (token_logprobs(model, row["rejected"]).sum() - b)
        one = (lambda x: (x - 1 / (2 * beta)) ** 2) if recipe["loss"] == "ipo" else (lambda x: -F.logsigmoid(beta * x))
        c = recipe["agreement"]
        losses.append(c * one(h) + (1 - c) * one(-h) - recipe["nll"] * chosen.mean())
    return torch.stack(losses).mean()


if __name__ == "__main__":
    golden = json.loads((FIXTURES / "steps" / "golden-steps.json").read_text())
    cases = []
    for name in MODELS:
        reference = golden_gradients.reference_of(name, golden["data"]["dpo"])
        for recipe in RECIPES:
            model = load(name, torch.float64)
            loss = loss_of(model, recipe, golden, reference)
            loss.backward()
            texts = {k: base64.b64encode(p.grad.float().numpy().astype("<f4").tobytes()).decode()
                     for k, p in model.named_parameters()}
            cases.append(dict(model=name, recipe=recipe, loss=loss.item(), reference=reference, gradients=texts))
            print(name, recipe, loss.item())
    (HERE / "golden-recipes.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
