"""The rows, sequences and batches that finetune_compare.py trains on.

Apart from finetune.py so that it needs the standard library alone.
"""

import dataclasses
import itertools
import json
import pathlib
import random
from typing import Any, Callable, Iterator, Sequence

Ids = list[int]
Row = str | Ids


class FinetuneError(Exception):
    """A failure to tell the user about in one line."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is the same for every checkpoint, beside the batches.

    tokens: numbers of training tokens to measure at, ascending, of whole batches.
    """

    held_out: Sequence[Ids]
    tokens: Sequence[int]
    learning_rate: float
    warmup_tokens: int
    freeze_routers: bool
    seed: int


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and all(type(i) is int for i in value)


def read_rows(path: pathlib.Path) -> list[Row]:
    """Returns the texts or token ids of a file of JSON lines."""
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise FinetuneError(
            f"{path}: expected UTF-8, found {error}; convert the file"
        ) from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(row.get("text"), str):
            rows.append(row["text"])
        elif isinstance(row, dict) and _is_ids(row.get("input_ids")):
            rows.append(row["input_ids"])
        else:
            raise FinetuneError(
                f'{path}:{number}: expected {{"text": "..."}} or {{"input_ids": '
                f"[...]}}, found {line[:60]!r}; mend or remove the line"
            )
    return rows


def tokenize(rows: Sequence[Row], tokenizer: Callable[[], Any]) -> list[Ids]:
    """Returns the tokens of each row; gets the tokenizer where a row is a text."""
    encode = tokenizer() if any(isinstance(row, str) for row in rows) else None
    return [encode(row) if isinstance(row, str) else row for row in rows]


def training_sequences(rows: Sequence[Ids], length: int) -> list[Ids]:
    """Returns the joined rows, cut to sequences of `length` tokens each."""
    joined = list(itertools.chain.from_iterable(rows))
    ends = range(length, len(joined) + 1, length)
    return [joined[end - length : end] for end in ends]


def held_out_sequences(rows: Sequence[Ids], length: int) -> list[Ids]:
    """Returns the rows that predict a token, each cut to `length` tokens."""
    return [row[:length] for row in rows if len(row) > 1]


def batches(sequences: Sequence[Ids], size: int, seed: int) -> Iterator[list[Ids]]:
    """Yields batches for ever, of sequences in an order that follows from the seed.

    All are shuffled anew each time; those that fill no batch are left out of it.
    """
    generator = random.Random(seed)
    order = list(range(len(sequences)))
    while True:
        generator.shuffle(order)
        for end in range(size, len(order) + 1, size):
            yield [sequences[i] for i in order[end - size : end]]
