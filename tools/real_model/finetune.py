"""Trains a checkpoint by AdamW on the CPU, measuring its loss on held-out text.

A library of finetune_compare.py, apart because it needs torch and transformers.
The model code is that which travels with the checkpoint; weights are read into
float32. AdamW has torch's defaults but for the learning rate, which is constant
after a linear rise over the first --warmup_tokens; gradients are cut to norm 1. The
loss is the cross entropy alone, without the routers' load-balancing loss.
"""

import itertools
import math
import os
import pathlib
import time
from typing import Any, Callable, Iterable, Iterator, Sequence

import torch
import transformers

from finetune_data import FinetuneError, Ids, Plan

_MAX_GRADIENT_NORM = 1.0


def versions() -> dict[str, str]:
    """The versions of the libraries, which decide the last digits of a loss."""
    return {
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }


def use_threads(count: int) -> None:
    """Computes with so many threads."""
    torch.set_num_threads(count)


def tokenizer(directory: pathlib.Path) -> Callable[[str], list[int]]:
    """Returns what makes tokens of a text as the checkpoint's tokenizer does."""
    try:
        loaded = transformers.AutoTokenizer.from_pretrained(str(directory))
    except (OSError, ValueError, TypeError) as error:
        raise FinetuneError(
            f"{directory}: expected a tokenizer, found none that transformers "
            "loads; copy the dense checkpoint's tokenizer there, or give rows of "
            f"input_ids: {error}"
        ) from error
    return lambda text: loaded(text, verbose=False)["input_ids"]


def load(directory: pathlib.Path) -> transformers.PreTrainedModel:
    """Returns the model in float32; every weight is from the checkpoint."""
    transformers.utils.logging.disable_progress_bar()
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(
            os.path.abspath(directory),
            trust_remote_code=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise FinetuneError(
            f"{directory}: expected a converted checkpoint with its Python files, "
            f"found one that transformers does not load; convert it again: {error}"
        ) from error
    problems = {name: sorted(map(str, of)) for name, of in report.items() if of}
    if problems:
        raise FinetuneError(
            f"{directory}: expected the tensors of its config.json, found "
            f"{problems}; convert it again"
        )
    return model


@torch.no_grad()
def mean_loss(model: transformers.PreTrainedModel, sequences: Sequence[Ids]) -> float:
    """Returns the mean loss of all predicted tokens, one sequence at a time."""
    total, count = 0.0, 0
    for sequence in sequences:
        ids = torch.tensor([sequence])
        logits = model(input_ids=ids, use_cache=False).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(
            logits.float(), ids[0, 1:], reduction="sum"
        ).item()
        count += len(sequence) - 1
    return total / count


class Training:
    """A model that is being trained, and how many tokens it has seen."""

    def __init__(self, directory: pathlib.Path, plan: Plan):
        torch.manual_seed(plan.seed)
        self.tokens = 0
        self.seconds = 0.0
        self._directory, self._plan = directory, plan
        self.model = load(directory).train()
        for name, parameter in self.model.named_parameters():
            if plan.freeze_routers and name.endswith(".gate.weight"):
                parameter.requires_grad_(False)
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=plan.learning_rate, fused=True
        )
        self._check_ids(plan.held_out)

    def _check_ids(self, sequences: Iterable[Ids]) -> None:
        """Raises unless the model has an embedding for every token."""
        size = self.model.config.vocab_size
        for i in itertools.chain.from_iterable(sequences):
            if not 0 <= i < size:
                raise FinetuneError(
                    f"{self._directory}: expected tokens from 0 to {size - 1}, found "
                    f"{i} in the data; give data of this model's tokenizer"
                )

    def step(self, batch: list[Ids]) -> None:
        """Trains on a batch, at a rate that rises to the plan's at first."""
        start = time.monotonic()
        self._check_ids(batch)
        self.tokens += sum(map(len, batch))
        warm = min(1.0, self.tokens / max(1, self._plan.warmup_tokens))
        self._optimizer.param_groups[0]["lr"] = warm * self._plan.learning_rate
        ids = torch.tensor(batch)
        self.model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _MAX_GRADIENT_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.seconds += time.monotonic() - start

    def held_out_loss(self) -> float:
        """Returns the loss on the plan's held-out text, which has to be finite."""
        self.model.eval()
        loss = mean_loss(self.model, self._plan.held_out)
        self.model.train()
        if not math.isfinite(loss):
            raise FinetuneError(
                f"{self._directory}: expected a finite loss, found {loss} after "
                f"{self.tokens} tokens; lower --learning_rate from "
                f"{self._plan.learning_rate:g}"
            )
        return loss


def losses_by_tokens(
    directory: pathlib.Path, batches: Iterator[list[Ids]], plan: Plan
) -> Iterator[dict[str, Any]]:
    """Trains, and yields the held-out loss at each number of tokens of the plan.

    `seconds` is of training alone.
    """
    training = Training(directory, plan)
    for tokens in plan.tokens:
        while training.tokens < tokens:
            training.step(next(batches))
        yield {
            "tokens": training.tokens,
            "loss": training.held_out_loss(),
            "seconds": training.seconds,
        }
