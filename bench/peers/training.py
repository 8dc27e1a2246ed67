"""
Training steps of the peers: torch eager over a transformers model, and TRL's trainers. All start from the same weights, see the
same rows in the same order, clip at the same norm, and have the reference's log-probs computed before the first timed step.
Times are the intervals between the ends of steps, so the first step is warm-up and is not among them.
"""
from __future__ import annotations

import copy
import tempfile
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

CLIP = 1.0


def answer(losses: list[float], ends: list[float]) -> dict[str, Any]:
    return {"losses": losses, "seconds": [b - a for a, b in zip(ends, ends[1:])]}


def target_logprobs(model: Any, ids: Tensor, start: int) -> Tensor:
    """log p of ids[:, start:], [B, T - start]; the head runs where it is needed only."""
    hidden = model.model(ids[:, :-1]).last_hidden_state[:, start - 1 :]
    logits = model.lm_head(hidden)
    return -F.cross_entropy(logits.flatten(0, 1), ids[:, start:].flatten(), reduction="none").view(len(ids), -1)


def eager(model: Any, objective: str, batches: list[Any], start: int, lr: float, beta: float) -> dict[str, Any]:
    """batches: rows of ids (sft) or [chosen rows, rejected rows] (dpo), one a step, all of one length."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0, fused=True)
    data = [torch.tensor(batch).flatten(0, -2) for batch in batches]
    reference = []
    if objective == "dpo":
        with torch.no_grad():
            reference = [target_logprobs(model, ids, start).sum(-1) for ids in data]
    losses, ends = [], []
    for step, ids in enumerate(data):
        logprobs = target_logprobs(model, ids, start)
        if objective == "sft":
            loss = -logprobs.mean()
        else:
            chosen, rejected = (logprobs.sum(-1) - reference[step]).chunk(2)
            loss = -F.logsigmoid(beta * (chosen - rejected)).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        losses.append(loss.item())
        ends.append(time.perf_counter())
    return answer(losses, ends)


def stand_in_tokenizer() -> Any:
    """The trainers want a tokenizer, though the rows are token ids already."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(WordLevel({"<pad>": 0, "<unk>": 1, "<eos>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>", eos_token="<eos>")


def quiet(clip: float = CLIP, **more: Any) -> dict[str, Any]:
    """What keeps a trainer to its steps: no logs, no files, float32."""
    return dict(
        output_dir=tempfile.gettempdir(),
        report_to="none",
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        max_length=None,
        max_grad_norm=clip,
        **more,
    )


def recording(base: type, shuffled: bool) -> type:
    """A trainer that notes losses and the ends of steps; takes rows of token ids, in the order given unless shuffled."""
    from transformers import TrainerCallback

    class Ends(TrainerCallback):
        def __init__(self, ends: list[float]) -> None:
            self.ends = ends

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append(time.perf_counter())

    class Recording(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.noted: list[Tensor] = []
            self.ends: list[float] = []
            super().__init__(*args, callbacks=[Ends(self.ends)], **kwargs)

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

        def _get_train_sampler(self, *args: Any) -> Any:
            return super()._get_train_sampler(*args) if shuffled else torch.utils.data.SequentialSampler(self.train_dataset)

        def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
            loss = super().training_step(*args, **kwargs)
            self.noted.append(loss.detach())
            return loss

        def outcome(self) -> dict[str, Any]:
            return answer([loss.item() for loss in self.noted], self.ends)

    return Recording


def dpo_trainer(model: Any, rows: list[dict[str, list[int]]], batch: int, beta: float, shuffled: bool, **more: Any) -> Any:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    args = DPOConfig(per_device_train_batch_size=batch, beta=beta, precompute_ref_log_probs=True, **quiet(**more))
    trainer = recording(DPOTrainer, shuffled)
    return trainer(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=stand_in_tokenizer())


def sft_trainer(model: Any, rows: list[dict[str, list[int]]], batch: int, **more: Any) -> Any:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    args = SFTConfig(per_device_train_batch_size=batch, **quiet(**more))
    trainer = recording(SFTTrainer, False)
    return trainer(model=model, args=args, train_dataset=Dataset.from_list(rows), processing_class=stand_in_tokenizer())


def trl(model: Any, objective: str, batches: list[Any], start: int, lr: float, beta: float) -> dict[str, Any]:
    model = copy.deepcopy(model)
    schedule = dict(learning_rate=lr, lr_scheduler_type="constant", weight_decay=0.0, max_steps=len(batches))
    if objective == "sft":
        rows = [
            {"input_ids": ids, "labels": [-100] * start + ids[start:]} for batch in batches for ids in batch
        ]
        trainer = sft_trainer(model, rows, len(batches[0]), **schedule)
    else:
        rows = [
            {"prompt_ids": c[:start], "chosen_ids": c[start:], "rejected_ids": r[start:]}
            for chosen, rejected in batches
            for c, r in zip(chosen, rejected)
        ]
        trainer = dpo_trainer(model, rows, len(batches[0][0]), beta, False, **schedule)
    trainer.train()
    return trainer.outcome()
