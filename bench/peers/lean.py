"""
A lean torch loop over a Llama checkpoint: no framework around it, as one writes it who wants tokens. Fused QKV and gate/up
weights with the norms' weights folded in, one preallocated key-value cache, no padding (all prompts of a batch have one length),
top-p over the sorted head of the distribution. Rows with equal prompts share their prefill.
"""
from __future__ import annotations

import json
import math
import os
import struct

import torch
import torch.nn.functional as F
from torch import Tensor

HEADS = (128, 1024)  # tokens sorted at first, then more, then all of them where these hold less than the nucleus
EDGE = 1e-4  # by how much two sums of the same probabilities may differ


def read_safetensors(path: str) -> dict[str, Tensor]:
    with open(path, "rb") as file:
        data = bytearray(file.read())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, at in header.items():
        assert at["dtype"] == "F32", f"{name} is {at['dtype']}"
        begin, end = at["data_offsets"]
        flat = torch.frombuffer(data, dtype=torch.float32, count=(end - begin) // 4, offset=8 + length + begin)
        tensors[name] = flat.reshape(at["shape"]).clone()
    return tensors


class Lean:
    def __init__(self, folder: str) -> None:
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
            config = json.load(file)
        w = read_safetensors(os.path.join(folder, "model.safetensors"))
        self.heads = config["num_attention_heads"]
        assert config["num_key_value_heads"] == self.heads and config["tie_word_embeddings"], "not this lean"
        self.width = config["hidden_size"]
        self.dim = self.width // self.heads
        self.eps = config["rms_norm_eps"]
        self.embedding = w["model.embed_tokens.weight"]
        self.head = self.embedding * w["model.norm.weight"]
        self.layers = []
        for i in range(config["num_hidden_layers"]):
            at = f"model.layers.{i}."
            attention, mlp = w[at + "input_layernorm.weight"], w[at + "post_attention_layernorm.weight"]
            qkv = torch.cat([w[f"{at}self_attn.{x}_proj.weight"] for x in "qkv"]) * attention
            gate_up = torch.cat([w[f"{at}mlp.{x}_proj.weight"] for x in ("gate", "up")]) * mlp
            o, down = w[at + "self_attn.o_proj.weight"], w[at + "mlp.down_proj.weight"]
            self.layers.append(tuple(x.contiguous() for x in (qkv, o, gate_up, down)))
        theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
        frequency = theta ** (-torch.arange(0, self.dim, 2).float() / self.dim)
        angle = torch.outer(torch.arange(config["max_position_embeddings"]).float(), frequency)
        self.cos = torch.cat([angle.cos(), angle.cos()], -1)
        self.sin = torch.cat([-angle.sin(), angle.sin()], -1)  # with the sign of rotate_half

    def forward(self, ids: Tensor, start: int, cache: Tensor | None) -> Tensor:
        """Hidden states [B, S, d] before the head; keys and values go into cache [L, 2, B, H, T, D] at start."""
        rows, length = ids.shape
        cos, sin = (x[start : start + length, None] for x in (self.cos, self.sin))  # [S, 1, D]
        x = F.embedding(ids, self.embedding)
        for i, (qkv, o, gate_up, down) in enumerate(self.layers):
            packed = F.linear(F.rms_norm(x, (self.width,), None, self.eps), qkv)
            packed = packed.view(rows, length, 3 * self.heads, self.dim)
            qk, v = packed.split([2 * self.heads, self.heads], 2)
            qk = torch.addcmul(qk * cos, qk.roll(self.dim // 2, -1), sin)
            q, k, v = (t.transpose(1, 2) for t in (*qk.chunk(2, 2), v))  # [B, H, S, D]
            if cache is not None:
                cache[i, 0, :, :, start : start + length] = k
                cache[i, 1, :, :, start : start + length] = v
                if start > 0:
                    k, v = cache[i, :, :, :, : start + length]
            y = F.scaled_dot_product_attention(q, k, v, is_causal=start == 0)
            x = x + F.linear(y.transpose(1, 2).reshape(rows, length, self.width), o)
            gate, up = F.linear(F.rms_norm(x, (self.width,), None, self.eps), gate_up).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, down)
        return F.rms_norm(x, (self.width,), None, self.eps)

    @torch.inference_mode()
    def logprobs(self, sequences: list[list[int]]) -> list[list[float]]:
        ids = torch.tensor(sequences)
        logits = F.linear(self.forward(ids[:, :-1], 0, None), self.head)
        return torch.log_softmax(logits, -1).gather(-1, ids[:, 1:, None])[..., 0].tolist()

    @torch.inference_mode()
    def judge_draws(
        self, prompts: list[list[int]], rows: list[list[int]], temperature: float, top_p: float
    ) -> dict[str, float]:
        """
        Were these rows drawn from the nucleus at this temperature? Tokens outside it, and the mean over all tokens of
        surprise − entropy, whose expectation is 0 for a right sampler, with its standard error.
        """
        ids = torch.tensor([prompt + row for prompt, row in zip(prompts, rows)])
        start = len(prompts[0])
        logits = F.linear(self.forward(ids[:, :-1], 0, None)[:, start - 1 :], self.head).flatten(0, 1)
        values, indices = torch.softmax(logits / temperature, -1).sort(descending=True)
        before = values.cumsum(-1) - values
        place = (indices == ids[:, start:].reshape(-1, 1)).int().argmax(-1, keepdim=True)
        outside = int((before.gather(-1, place) >= top_p + EDGE).sum())
        kept = torch.where((before < top_p) | (torch.arange(values.shape[-1]) == place), values, 0.0)
        kept /= kept.sum(-1, keepdim=True)
        logs = torch.where(kept > 0, kept.log(), 0.0)
        excess = -logs.gather(-1, place)[:, 0] + (kept * logs).sum(-1)
        return {"outside": outside, "excess": excess.mean().item(), "error": (excess.std() / len(excess) ** 0.5).item()}

    @torch.inference_mode()
    def generate(
        self, prompts: list[list[int]], copies: int, new: int, temperature: float, top_p: float
    ) -> list[list[int]]:
        """Each prompt `copies` times, `new` tokens each; temperature 0 is greedy."""
        ids = torch.tensor(prompts)
        length = ids.shape[1]
        cache = torch.empty(len(self.layers), 2, len(prompts), self.heads, length + new, self.dim)
        hidden = self.forward(ids, 0, cache)[:, -1:]
        if copies > 1:
            cache, hidden = cache.repeat_interleave(copies, 2), hidden.repeat_interleave(copies, 0)
        out = torch.empty(len(hidden), new, dtype=torch.long)
        for step in range(new):
            if step > 0:
                hidden = self.forward(out[:, step - 1 : step], length + step - 1, cache)
            out[:, step] = choose(F.linear(hidden[:, 0], self.head), temperature, top_p)
        return out.tolist()


def choose(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    probabilities = torch.softmax(logits / temperature, -1)
    indices, sums = nucleus_head(probabilities, top_p)
    # The nucleus ends with the token that reaches top_p; a draw within its mass falls on one of its tokens.
    last = (sums < top_p).sum(-1, keepdim=True).clamp_max(sums.shape[-1] - 1)
    drawn = torch.searchsorted(sums, torch.rand_like(last, dtype=sums.dtype) * sums.gather(-1, last))
    return indices.gather(-1, torch.minimum(drawn, last))[:, 0]


def nucleus_head(probabilities: Tensor, top_p: float) -> tuple[Tensor, Tensor]:
    """The most probable tokens in order, so many that each row's nucleus is among them; with their running sums."""
    for head in HEADS:
        if head < probabilities.shape[-1]:
            values, indices = probabilities.topk(head)
            sums = values.cumsum(-1)
            if sums[:, -1].min().item() >= top_p:
                return indices, sums
    values, indices = probabilities.sort(descending=True)
    return indices, values.cumsum(-1)


def sgemm_gflops(size: int, repeats: int, clock) -> float:
    """Best of several: float32 matrices of size², all threads of torch."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    best = math.inf
    for _ in range(repeats + 1):
        began = clock()
        torch.mm(a, b, out=out)
        best = min(best, clock() - began)
    return 2 * size**3 / best / 1e9
