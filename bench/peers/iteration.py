"""
One whole iteration of the default world with transformers + TRL: new prompts → candidates → judgements → pairs → DPO. Model,
seed prompts, templates and every setting are read from the run's own folder (config.json, messages.jsonl, models/M1), so that
nothing is copied by hand; only the random numbers differ. Batches of flow.batchRows rows, sorted by length, left-padded; the
candidates of a prompt and the judgements of a response stand side by side.
"""
from __future__ import annotations

import json
import os
import random
import time
from collections import defaultdict
from typing import Any, Iterator

import torch
from texts import EQUAL, Known, clean_prompt, fill, score_of, words_of
from training import dpo_trainer


class Sampler:
    def __init__(self, model: Any, tokenizer: Any, rows: int) -> None:
        self.model, self.tokenizer, self.rows = model, tokenizer, rows
        self.tokens = 0

    def stops(self, texts: list[str]) -> list[int]:
        vocabulary = self.tokenizer.get_vocab()
        return sorted({self.tokenizer.eos_token_id, *(vocabulary[text] for text in texts if text in vocabulary)})

    def __call__(self, texts: list[str], copies: int, how: dict[str, Any], stop: list[str]) -> list[list[str]]:
        """Texts sampled for each prompt, without the token that ended them."""
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out: list[list[str]] = [[] for _ in texts]
        stops = self.stops(stop)
        for places in batches(order, max(1, self.rows // copies)):
            longest = len(ids[places[-1]])
            pad = [longest - len(ids[i]) for i in places]
            made = self.model.generate(
                torch.tensor([[self.tokenizer.pad_token_id] * n + ids[i] for n, i in zip(pad, places)]),
                attention_mask=torch.tensor([[0] * n + [1] * (longest - n) for n in pad]),
                do_sample=how["temperature"] > 0,
                temperature=how["temperature"],
                top_p=how["topP"],
                top_k=0,
                max_new_tokens=how["maxNewTokens"],
                num_return_sequences=copies,
                eos_token_id=stops,
                pad_token_id=self.tokenizer.pad_token_id,
            )[:, longest:].tolist()
            kept = [row[: next((at for at, token in enumerate(row) if token in stops), len(row))] for row in made]
            self.tokens += sum(min(len(row) + 1, how["maxNewTokens"]) for row in kept)
            for i, text in enumerate(self.tokenizer.batch_decode(kept)):
                out[places[i // copies]].append(text)
        return out


def batches(items: list[int], size: int) -> Iterator[list[int]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def known_prompts(run: str) -> dict[str, list[str]]:
    with open(os.path.join(run, "messages.jsonl"), encoding="utf-8") as file:
        for line in file:
            if '"type":"prompts.known"' in line:
                return json.loads(line)["body"]
    raise ValueError(f"{run} has no prompts.known")


def invent(config: dict[str, Any], known: dict[str, list[str]], sample: Sampler) -> list[str]:
    how, form = config["invent"], config["used"]["format"]["invent"]
    shots = min(how["seedShots"] + how["madeShots"], len(known["seed"]))  # no model-made prompt yet

    def asked() -> str:
        picked = random.sample(known["seed"], shots)
        return "".join([form["header"], *(fill(form["item"], prompt=one) for one in picked), form["tail"]])

    stop = config["used"]["format"]["stop"]["prompt"]
    written = sample([asked() for _ in range(how["asks"])], 1, how["sampling"], stop)
    pool, held_out = Known(known["seed"]), Known(known["heldOut"])
    keywords = [" ".join(words_of(one)) for one in how["keywords"]]
    made = []
    for (completion,) in written:
        prompt = clean_prompt(completion, form["item"])
        words = words_of(prompt)
        normal = " ".join(words)
        if not how["minWords"] <= len(words) <= how["maxWords"] or normal in pool.same or normal in held_out.same:
            continue
        if any(f" {one} " in f" {normal} " for one in keywords) or pool.has_near(prompt, how["similarity"]):
            continue
        pool.add(prompt)
        made.append(prompt)
    return made


def usable(texts: list[str]) -> list[str]:
    """Non-empty answers, the first of each."""
    seen: dict[str, str] = {}
    for text in texts:
        if text.strip():
            seen.setdefault(text.strip(), text)
    return list(seen.values())


def pair_of(answers: list[tuple[str, list[float]]]) -> tuple[str, str] | None:
    scored = [(text, sum(scores) / len(scores)) for text, scores in answers if scores]
    if len(scored) < 2:
        return None
    best = worst = scored[0]
    for one in scored[1:]:
        best = one if one[1] > best[1] + EQUAL else best
        worst = one if one[1] < worst[1] - EQUAL else worst
    return None if best is worst else (best[0], worst[0])


def train(model: Any, tokenizer: Any, config: dict[str, Any], pairs: list[tuple[str, str, str]], to: str) -> int:
    how, chat = config["dpo"], config["used"]["format"]["chat"]

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    end = [tokenizer.eos_token_id]
    rows = [
        {"prompt_ids": ids(fill(chat, prompt=p)), "chosen_ids": ids(c) + end, "rejected_ids": ids(r) + end}
        for p, c, r in pairs
    ]
    trainer = dpo_trainer(
        model,
        rows,
        how["batchSize"],
        how["beta"],
        True,
        clip=how["clipNorm"],
        num_train_epochs=how["epochs"],
        learning_rate=how["learningRate"],
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr": how["finalLearningRate"]},
        warmup_steps=how["warmupSteps"],
        weight_decay=how["weightDecay"],
        adam_beta1=how["beta1"],
        adam_beta2=how["beta2"],
        adam_epsilon=how["epsilon"],
    )
    trainer.train()
    model.save_pretrained(to)
    tokenizer.save_pretrained(to)
    return len(trainer.noted)


def one(run: str, to: str, seed: int) -> dict[str, Any]:
    """From M1 of the run to an M2 under `to`; what was made, and seconds by phase. Reading M1 and the settings isn't counted."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with open(os.path.join(run, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    known = known_prompts(run)
    folder = os.path.join(run, "models", "M1")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(seed)
    random.seed(seed)
    sample = Sampler(model, tokenizer, config["flow"]["batchRows"])
    form, template = config["used"]["format"], config["used"]["template"]
    laps = [time.perf_counter()]

    prompts = invent(config, known, sample)
    laps.append(time.perf_counter())
    chats = [fill(form["chat"], prompt=prompt) for prompt in prompts]
    how = config["respond"]
    candidates = sample(chats, how["candidates"], how["sampling"], form["stop"]["response"])
    laps.append(time.perf_counter())
    judged = [(p, text) for p, texts in enumerate(map(usable, candidates)) if len(texts) > 1 for text in texts]
    asks = [fill(template["prompt"], prompt=prompts[p], response=text) for p, text in judged]
    how = config["judge"]
    verdicts = sample(asks, how["samples"], how["sampling"], form["stop"]["judgement"])
    laps.append(time.perf_counter())
    answers: dict[int, list[tuple[str, list[float]]]] = defaultdict(list)
    for (p, text), texts in zip(judged, verdicts):
        scores = [score_of(one, template["verdict"]) for one in texts]
        answers[p].append((text, [score for score in scores if score is not None]))
    pairs = [(prompts[p], *pair) for p, own in answers.items() if (pair := pair_of(own))]
    steps = train(model, tokenizer, config, pairs, to) if pairs else 0
    laps.append(time.perf_counter())

    names = ("invent", "respond", "judge", "train")
    return {
        "seconds": laps[-1] - laps[0],
        "phases": {name: after - before for name, before, after in zip(names, laps, laps[1:])},
        "made": {
            "asks": config["invent"]["asks"],
            "prompts": len(prompts),
            "responses": sum(map(len, candidates)),
            "judgements": sum(map(len, verdicts)),
            "pairs": len(pairs),
            "steps": steps,
            "tokens": sample.tokens,
        },
    }
