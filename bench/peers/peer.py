"""
The Python side of `npm run bench -- --peers`: one process that answers JSON lines {"id", "op", "args"} with {"id", "ok", "value"} or
{"id", "ok": false, "error"}. Every measured answer carries its own wall time. What the libraries print goes to stderr.

    python3 peer.py THREADS
"""
from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from typing import Any, Callable

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TQDM_DISABLE="1")
THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 2

folders: dict[str, str] = {}
kept: dict[tuple[str, str], Any] = {}


def versions() -> dict[str, Any]:
    """Of what there is; `missing` says why something is not there."""
    found, missing = {"python": sys.version.split()[0]}, {}
    for name in ("torch", "transformers", "trl"):
        try:
            found[name] = importlib.import_module(name).__version__
        except Exception as error:  # a broken library fails in any way it likes
            missing[name] = f"{type(error).__name__}: {error}"
    if "torch" in found:
        import torch

        torch.set_num_threads(THREADS)
    if "transformers" in found:
        import transformers

        transformers.logging.set_verbosity_error()
        import datasets

        datasets.disable_progress_bars()
    return {"found": found, "missing": missing}


def load(model: str, folder: str) -> None:
    folders[model] = folder


def unload(model: str) -> None:
    folders.pop(model, None)
    for key in [key for key in kept if key[1] == model]:
        del kept[key]


def subject(by: str, model: str) -> Any:
    """The model of one peer, read once."""
    if (by, model) not in kept:
        if by == "lean":
            from lean import Lean

            kept[by, model] = Lean(folders[model])
        else:
            import torch
            from transformers import AutoModelForCausalLM

            loaded = AutoModelForCausalLM.from_pretrained(folders[model], dtype=torch.float32).eval()
            loaded.generation_config.eos_token_id = None  # lengths are fixed here
            kept[by, model] = loaded
    return kept[by, model]


def logprobs(by: str, model: str, sequences: list[list[int]]) -> dict[str, Any]:
    """log p of each token but the first, sequences of one length."""
    own = subject(by, model)
    if by == "lean":
        return {"rows": own.logprobs(sequences)}
    import torch

    with torch.inference_mode():
        ids = torch.tensor(sequences)
        scores = torch.log_softmax(own(ids[:, :-1]).logits, -1).gather(-1, ids[:, 1:, None])
        return {"rows": scores[..., 0].tolist()}


def generate(
    by: str, model: str, prompts: list[list[int]], copies: int, new: int, temperature: float, top_p: float
) -> dict[str, Any]:
    """Each prompt (all of one length) `copies` times, exactly `new` tokens each."""
    own = subject(by, model)
    if by == "lean":
        began = time.perf_counter()
        rows = own.generate(prompts, copies, new, temperature, top_p)
        return {"rows": rows, "seconds": time.perf_counter() - began}
    import torch

    how: dict[str, Any] = {"do_sample": False}
    if temperature > 0:
        how = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    began = time.perf_counter()
    ids = torch.tensor(prompts)
    out = own.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new,
        num_return_sequences=copies,
        pad_token_id=0,
        **how,
    )
    rows = out[:, ids.shape[1] :].tolist()
    return {"rows": rows, "seconds": time.perf_counter() - began}


def draws(model: str, **how: Any) -> dict[str, float]:
    return subject("lean", model).judge_draws(**how)


def train(by: str, model: str, **how: Any) -> dict[str, Any]:
    import training

    return (training.eager if by == "eager" else training.trl)(subject("transformers", model), **how)


def iteration(run: str, to: str, seed: int) -> dict[str, Any]:
    import iteration

    return iteration.one(run, to, seed)


def sgemm(size: int, repeats: int) -> dict[str, Any]:
    from lean import sgemm_gflops

    return {"gflops": sgemm_gflops(size, repeats, time.perf_counter)}


def cpu() -> dict[str, float]:
    """CPU seconds of this process so far, all threads."""
    return {"seconds": time.process_time()}


OPERATIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (versions, load, unload, logprobs, generate, draws, train, iteration, sgemm, cpu)
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # nobody else writes between the answers
    warnings.filterwarnings("ignore")
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any] = {"id": request["id"]}
        try:
            answer.update(ok=True, value=OPERATIONS[request["op"]](**request["args"]))
        except Exception as error:
            traceback.print_exc()
            answer.update(ok=False, error=f"{type(error).__name__}: {error}")
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
