"""
The command of `cast.trainer = command` for TRL: reads job.json, trains with DPOTrainer (or SFTTrainer, for command.stages=all),
saves the model to the job's out/. Says one line of JSON a step, which Soliloquy puts on its log.

    soliloquy run --cast.trainer command --set command.run='python bench/trl_dpo.py {job}'
    … --set command.run='accelerate launch --config_file zero2.yaml bench/trl_dpo.py {job} --bf16 --save-steps 50'

Batch size, steps, the learning rate of each step, AdamW's numbers, clipping, beta and seed are the job's. Not taken over: `dropout` (TRL turns it off for DPO; for SFT the model's own config has it).
The order of rows and the sums' order are torch's, so the outcome is not that of our own trainer, bit by bit; on one machine with
one process the same job gives the same weights.
"""
from __future__ import annotations

import argparse
import json
import math
import os
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
from transformers.trainer_utils import get_last_checkpoint


class Teller(TrainerCallback):
    """One line a logged step."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        if not state.is_world_process_zero or logs is None or "loss" not in logs:
            return
        said = {
            "step": state.global_step,
            "steps": state.max_steps,
            "loss": logs["loss"],
            "learningRate": logs.get("learning_rate"),
            "gradNorm": logs.get("grad_norm"),
            "accuracy": logs.get("rewards/accuracies"),
            "margin": logs.get("rewards/margins"),
        }
        print(json.dumps({k: float(v) if k not in ("step", "steps") else v for k, v in said.items() if v is not None}), flush=True)


def settings(job: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The job's numbers in the words of TrainingArguments."""
    optimizer = job["optimizer"]
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    micro = min(optimizer["microBatchSize"], optimizer["batchSize"])
    accumulation, rest = divmod(optimizer["batchSize"], micro * processes)
    if rest or accumulation == 0:
        raise SystemExit(
            f"batchSize {optimizer['batchSize']} is no multiple of microBatchSize {micro} × {processes} processes: "
            f"set {job['objective']}.batchSize or {job['objective']}.microBatchSize"
        )
    saving = dict(save_strategy="steps", save_steps=options.save_steps, save_total_limit=2) if options.save_steps else dict(save_strategy="no")
    return dict(
        output_dir=os.path.join(job["paths"]["out"], "trainer"),
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=optimizer["epochs"],
        learning_rate=optimizer["learningRate"],
        weight_decay=optimizer["weightDecay"],
        adam_beta1=optimizer["beta1"],
        adam_beta2=optimizer["beta2"],
        adam_epsilon=optimizer["epsilon"],
        max_grad_norm=optimizer["clipNorm"],
        seed=job["seed"],
        bf16=options.bf16,
        gradient_checkpointing=options.gradient_checkpointing,
        max_length=None,  # rows that are too long were left out before
        logging_steps=1,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=torch.cuda.is_available(),
        deepspeed=options.deepspeed,
        **saving,
    )


def rate_at(step: int, steps: int, optimizer: dict[str, Any]) -> float:
    """Learning rate of a step, counted from 0, as src/lm/schedule.ts has it."""
    top, bottom, warm = optimizer["learningRate"], optimizer["finalLearningRate"], optimizer["warmupSteps"]
    if step < warm:
        return top * (step + 1) / (warm + 1)
    span = steps - 1 - warm
    done = min(1.0, (step - warm) / span) if span > 0 else 0.0
    return bottom + (top - bottom) * 0.5 * (1 + math.cos(math.pi * done))


def scheduled(base: type, numbers: dict[str, Any]) -> type:
    """A trainer whose learning rate is that of our own trainer, step by step."""

    class Scheduled(base):  # type: ignore[misc, valid-type]
        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            if self.lr_scheduler is None:

                def factor(step: int) -> float:
                    return rate_at(step, num_training_steps, numbers) / numbers["learningRate"]

                self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
            return self.lr_scheduler

    return Scheduled


def trainer_for(job: dict[str, Any], model: Any, tokenizer: Any, rows: Dataset, common: dict[str, Any]) -> Any:
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    if job["objective"] == "dpo":
        args = DPOConfig(beta=job["beta"], precompute_ref_log_probs=True, **common)
        columns = ["prompt", "chosen", "rejected"]
        return scheduled(DPOTrainer, job["optimizer"])(model=model, args=args, train_dataset=rows.select_columns(columns), processing_class=tokenizer)
    args = SFTConfig(completion_only_loss=True, **common)
    return scheduled(SFTTrainer, job["optimizer"])(model=model, args=args, train_dataset=rows.select_columns(["prompt", "completion"]), processing_class=tokenizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", help="job.json")
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16 with float32 weights")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--save-steps", type=int, default=0, help="checkpoint every N steps; another try goes on from the last")
    parser.add_argument("--deepspeed", help="a DeepSpeed configuration")
    options = parser.parse_args()
    with open(options.job, encoding="utf8") as file:
        job = json.load(file)
    paths = job["paths"]
    common = settings(job, options)
    tokenizer = AutoTokenizer.from_pretrained(paths["model"])
    model = AutoModelForCausalLM.from_pretrained(paths["model"], dtype=torch.float32)
    with open(paths["data"], encoding="utf8") as file:
        rows = Dataset.from_list([json.loads(line) for line in file])
    trainer = trainer_for(job, model, tokenizer, rows, common)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Teller())
    trainer.train(resume_from_checkpoint=last_of(common["output_dir"]))
    trainer.save_model(paths["out"])


def last_of(folder: str) -> str | None:
    return get_last_checkpoint(folder) if os.path.isdir(folder) else None


if __name__ == "__main__":
    main()
