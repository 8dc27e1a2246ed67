"""What transformers says about a checkpoint; asked by `soliloquy parity`, which compares it with what Soliloquy says.

Standard input: {"model": folder, "sequences": [[id, …], …], "prompts": [[id, …], …], "newTokens": n}.
Standard output, last line: {"transformers", "torch", "class", "logprobs": [[nats, …], …] (of all tokens but a sequence's first),
"greedy": [{"ids": […], "leads": […]}, …] (how far each best logit leads the second)}, or {"missing": "why"}.
Everything in float32 with eager attention, on the CPU; no network.
"""
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"


def answer(said):
    print(json.dumps(said), flush=True)
    sys.exit(0)


try:
    import torch
    import transformers
    from transformers import AutoModelForCausalLM
except ImportError as error:
    answer({"missing": str(error)})

asked = json.load(sys.stdin)
dtype = "dtype" if int(transformers.__version__.split(".")[0]) >= 5 else "torch_dtype"
model = AutoModelForCausalLM.from_pretrained(
    asked["model"], local_files_only=True, attn_implementation="eager", **{dtype: torch.float32}
).eval()


@torch.no_grad()
def logprobs(ids):
    said = torch.log_softmax(model(torch.tensor([ids])).logits[0, :-1], -1)
    return said.gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()


@torch.no_grad()
def greedy(prompt):
    ids, leads, cache, now = [], [], None, prompt
    for _ in range(asked["newTokens"]):
        out = model(torch.tensor([now]), past_key_values=cache, use_cache=True)
        top = out.logits[0, -1].topk(2)
        cache, now = out.past_key_values, [int(top.indices[0])]
        ids += now
        leads.append(float(top.values[0] - top.values[1]))
    return {"ids": ids, "leads": leads}


answer({
    "transformers": transformers.__version__,
    "torch": torch.__version__,
    "class": type(model).__name__,
    "logprobs": [logprobs(ids) for ids in asked["sequences"]],
    "greedy": [greedy(prompt) for prompt in asked["prompts"]],
})
