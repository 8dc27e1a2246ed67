"""One question on standard input, one line of JSON back: what PEFT makes of an adapter of ours, and an adapter that PEFT writes.

{base, adapter, save, sequences} -> {"on": [[…]], "merged": [[…]], "off": [[…]], "saved": [[…]], "peft": "…"}: log-probs of all tokens but a
sequence's first with our adapter on, merged (merge_and_unload) and off; and with the random adapter that is left in `save`.
"""
import json
import sys

import torch

try:
    import peft
    from transformers import AutoModelForCausalLM
except ImportError as error:
    print(json.dumps({"missing": str(error)}))
    sys.exit(0)

asked = json.load(sys.stdin)


def base():
    return AutoModelForCausalLM.from_pretrained(asked["base"], dtype=torch.float32, attn_implementation="eager").eval()


def logprobs(model):
    out = []
    with torch.no_grad():
        for ids in asked["sequences"]:
            lines = torch.log_softmax(model(torch.tensor([ids])).logits[0].double(), -1)
            out.append([lines[i - 1, ids[i]].item() for i in range(1, len(ids))])
    return out


model = peft.PeftModel.from_pretrained(base(), asked["adapter"]).eval()
on = logprobs(model)
with model.disable_adapter():
    off = logprobs(model)
gpt2 = model.config.model_type == "gpt2"
merged = logprobs(model.merge_and_unload())

torch.manual_seed(3)
config = peft.LoraConfig(r=3, lora_alpha=5, use_rslora=True, init_lora_weights=False, task_type="CAUSAL_LM", fan_in_fan_out=gpt2,
                         target_modules=["c_attn", "c_proj"] if gpt2 else ["k_proj", "o_proj", "down_proj"])
own = peft.get_peft_model(base(), config).eval()
saved = logprobs(own)
own.save_pretrained(asked["save"])
print(json.dumps({"on": on, "merged": merged, "off": off, "saved": saved, "peft": peft.__version__}))
