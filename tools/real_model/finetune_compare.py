"""Trains converted checkpoints alike; says how many tokens one start is worth.

  finetune_compare.py --checkpoints NAME=DIR NAME=DIR ... --train FILE.jsonl
                      --held_out FILE.jsonl [--tokens 10000 20000 ...]
                      [--learning_rate 1e-4] [--warmup_tokens 0] [--freeze_routers]
                      [--sequence_length 512] [--batch_size 1] [--seed 0]
                      [--threads 1] [--out FILE.json]

Each checkpoint is loaded by transformers with the model code that travels with it,
in float32, and trained by AdamW on the CPU: all on the same sequences in the same
order, with the same learning rate (finetune.py has the rest). The held-out loss is
printed before training and at each number of tokens of --tokens, rounded up to
whole batches; at the end stands

  NAME_A reaches the first loss of NAME_B after N tokens

for every A that starts worse than B, N interpolated between two measures, or that it
does not within N tokens. --out has all of it as JSON.

--freeze_routers trains all but the routers. AdamW moves every weight by about the
rate a step, so that small router weights, as those of equal expert weights are,
soon choose other experts.

A row of a file is {"text": ...}, which the checkpoint's tokenizer cuts to tokens, or
{"input_ids": [...]}. Training rows are joined and cut to sequences of the length;
what is left at the end is not used. They are shuffled by --seed, anew every time
that all have been used. A held-out row is a sequence of its own, cut to the length,
as `llama_moe evaluate --model_max_length` cuts it.

Needs torch and transformers: finetune_compare.sh runs it with a Python that has them.
"""

import argparse
import dataclasses
import functools
import importlib
import itertools
import json
import math
import pathlib
import sys
from typing import Any, Iterator, Optional, Sequence

from finetune_data import (
    FinetuneError,
    Ids,
    Plan,
    batches,
    held_out_sequences,
    read_rows,
    tokenize,
    training_sequences,
)

_DEFAULT_TOKENS = (10_000, 20_000, 50_000)
_LEAST = {"sequence_length": 2, "batch_size": 1, "threads": 1, "warmup_tokens": 0}


@dataclasses.dataclass(frozen=True)
class Measure:
    """A held-out loss after training on so many tokens, in so many seconds."""

    tokens: int
    loss: float
    seconds: float

    def __str__(self) -> str:
        perplexity = math.exp(min(self.loss, 700.0))
        return f"loss {self.loss:.4f}, perplexity {perplexity:,.1f}"


def tokens_to_reach(measures: Sequence[Measure], loss: float) -> Optional[float]:
    """Returns after how many tokens a loss was reached first; None where it was not.

    Between two measures the loss is taken for a line.
    """
    if measures[0].loss <= loss:
        return float(measures[0].tokens)
    for before, after in itertools.pairwise(measures):
        if after.loss <= loss:
            share = (before.loss - loss) / (before.loss - after.loss)
            return before.tokens + share * (after.tokens - before.tokens)
    return None


def conclusions(results: dict[str, list[Measure]]) -> list[dict[str, Any]]:
    """Returns, for each checkpoint and each that starts better, what that is worth."""
    found = []
    for name, other in itertools.permutations(results, 2):
        loss = results[other][0].loss
        if results[name][0].loss <= loss:
            continue
        tokens = tokens_to_reach(results[name], loss)
        what = f"the first loss of {other}"
        if tokens is not None:
            text = f"{name} reaches {what} after {tokens:,.0f} tokens"
        else:
            last = results[name][-1].tokens
            text = f"{name} does not reach {what} within {last:,} tokens"
        found.append(
            {
                "checkpoint": name,
                "other": other,
                "loss": loss,
                "tokens": tokens,
                "text": text,
            }
        )
    return found


def table(results: dict[str, list[Measure]]) -> str:
    """Returns the measures, a line for each number of tokens."""
    names = list(results)
    width = max(34, *map(len, names)) + 2
    lines = [f"{'tokens':>10}  " + "".join(f"{name:<{width}}" for name in names)]
    for row in zip(*results.values()):
        cells = "".join(f"{str(measure):<{width}}" for measure in row)
        lines.append(f"{row[0].tokens:>10,}  {cells}")
    return "\n".join(line.rstrip() for line in lines)


class Comparison:
    """What all checkpoints are trained on, and with which trainer (finetune.py)."""

    def __init__(self, arguments: argparse.Namespace, trainer: Any):
        self._arguments, self._trainer = arguments, trainer
        self._train_rows = read_rows(arguments.train)
        self._held_out_rows = read_rows(arguments.held_out)
        first, *others = arguments.checkpoints.values()
        self._train, self._held_out = self._sequences(first)
        for directory in others:
            if self._sequences(directory) != (self._train, self._held_out):
                raise FinetuneError(
                    f"{directory}: expected the tokens that the tokenizer of {first} "
                    "makes, found others; compare checkpoints of one dense model"
                )
        self._check_enough()

    def _sequences(self, directory: pathlib.Path) -> tuple[list[Ids], list[Ids]]:
        length = self._arguments.sequence_length
        get = functools.partial(self._trainer.tokenizer, directory)
        return (
            training_sequences(tokenize(self._train_rows, get), length),
            held_out_sequences(tokenize(self._held_out_rows, get), length),
        )

    def _check_enough(self) -> None:
        arguments = self._arguments
        if len(self._train) < arguments.batch_size:
            raise FinetuneError(
                f"{arguments.train}: expected {arguments.batch_size} or more "
                f"sequences of {arguments.sequence_length} tokens, found "
                f"{len(self._train)}; give more text, or lower --batch_size or "
                "--sequence_length"
            )
        if not self._held_out:
            raise FinetuneError(
                f"{arguments.held_out}: expected a row of two tokens or more, found "
                "none; give text to measure the loss on"
            )

    def measures(self, directory: pathlib.Path) -> Iterator[Measure]:
        """Trains a checkpoint and yields its losses."""
        arguments = self._arguments
        size = arguments.batch_size
        step = size * arguments.sequence_length
        plan = Plan(
            held_out=self._held_out,
            tokens=sorted({-(-n // step) * step for n in (0, *arguments.tokens)}),
            learning_rate=arguments.learning_rate,
            warmup_tokens=arguments.warmup_tokens,
            freeze_routers=arguments.freeze_routers,
            seed=arguments.seed,
        )
        order = batches(self._train, size, arguments.seed)
        for measure in self._trainer.losses_by_tokens(directory, order, plan):
            yield Measure(**measure)

    def data(self) -> dict[str, int]:
        """Returns how much text there is."""
        return {
            "training_sequences": len(self._train),
            "held_out_sequences": len(self._held_out),
            "held_out_predicted_tokens": sum(map(len, self._held_out))
            - len(self._held_out),
        }


def compare(arguments: argparse.Namespace, trainer: Any) -> None:
    """Trains all, prints the losses and what they say, and writes --out."""
    trainer.use_threads(arguments.threads)
    comparison = Comparison(arguments, trainer)
    results: dict[str, list[Measure]] = {name: [] for name in arguments.checkpoints}
    for name, directory in arguments.checkpoints.items():
        for measure in comparison.measures(directory):
            results[name].append(measure)
            print(f"{name}: {measure.tokens:,} tokens: {measure}", flush=True)
    found = conclusions(results)
    print("", table(results), "", *(entry["text"] for entry in found), sep="\n")
    if arguments.out:
        fields = ("learning_rate", "seed", "freeze_routers", *_LEAST)
        document = {
            "settings": {name: getattr(arguments, name) for name in fields},
            "data": comparison.data(),
            "versions": trainer.versions(),
            "checkpoints": {
                name: [dataclasses.asdict(measure) for measure in measures]
                for name, measures in results.items()
            },
            "conclusions": found,
        }
        arguments.out.write_text(json.dumps(document, indent=2) + "\n")


def _checkpoints(given: Sequence[str]) -> dict[str, pathlib.Path]:
    found: dict[str, pathlib.Path] = {}
    for text in given:
        name, equals, directory = text.partition("=")
        if not (name and equals and directory):
            raise FinetuneError(
                f"--checkpoints: expected NAME=DIR, found {text!r}; name each directory"
            )
        if name in found:
            raise FinetuneError(
                f"--checkpoints: expected names that differ, found {name!r} twice; "
                "rename one"
            )
        if not (pathlib.Path(directory) / "config.json").is_file():
            raise FinetuneError(
                f"{directory}: expected a checkpoint, found no config.json there; "
                "give the directory that a conversion wrote"
            )
        found[name] = pathlib.Path(directory)
    return found


def _check(arguments: argparse.Namespace) -> None:
    """Raises where a flag is out of range, before anything is trained."""
    for name, least in _LEAST.items():
        value = getattr(arguments, name)
        if value < least:
            raise FinetuneError(
                f"--{name}: expected {least} or more, found {value}; raise it"
            )
    if min(arguments.tokens) < 0:
        raise FinetuneError(
            f"--tokens: expected 0 or more, found {min(arguments.tokens)}; remove it"
        )
    if not 0 < arguments.learning_rate < math.inf:
        raise FinetuneError(
            f"--learning_rate: expected a number above 0, found "
            f"{arguments.learning_rate:g}; 1e-4 is usual"
        )
    if arguments.out and not arguments.out.absolute().parent.is_dir():
        raise FinetuneError(
            f"{arguments.out}: expected a directory to write to, found none; make "
            f"{arguments.out.absolute().parent}"
        )


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", nargs="+", required=True, metavar="NAME=DIR")
    parser.add_argument("--train", type=pathlib.Path, required=True)
    parser.add_argument("--held_out", type=pathlib.Path, required=True)
    parser.add_argument("--tokens", type=int, nargs="+", default=_DEFAULT_TOKENS)
    parser.add_argument("--learning_rate", type=float, default=1e-4)
    parser.add_argument("--warmup_tokens", type=int, default=0)
    parser.add_argument("--freeze_routers", action="store_true")
    parser.add_argument("--sequence_length", type=int, default=512)
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args(argv)
    _check(arguments)
    arguments.checkpoints = _checkpoints(arguments.checkpoints)
    return arguments


def _import_trainer() -> Any:
    try:
        return importlib.import_module("finetune")
    except ImportError as error:
        raise FinetuneError(
            f"{sys.executable}: expected torch and transformers, found neither or one "
            f"({error}); run finetune_compare.sh, which installs them"
        ) from error


def main(argv: Sequence[str], trainer: Any = None) -> int:
    """Runs the command line; returns 0, or 2 on an error."""
    try:
        arguments = _parse_args(argv)
        compare(arguments, trainer or _import_trainer())
        return 0
    except (FinetuneError, OSError) as error:
        print(f"finetune_compare: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
