"""Mean loss of a LLaMA over a token artifact, by transformers in float32.

A library for the tests that compare with it, and a program that measures it in
a process of its own:

  transformers_loss.py MODEL_DIR ARTIFACT [--batch N] [--attention sdpa|eager]
                       [--threads N] [--model_max_length N] [--exact] [--warm_up]

prints a line of JSON: loss, num_predicted_tokens, num_tokens, seconds,
tokens_per_sec and peak_resident_bytes of the process. Loading does not count in
seconds, nor does --warm_up, which runs the first batch once before. The loss is
the one that transformers computes, or with --exact the float64 mean over its
float32 logits. --batch joins so many sequences, padded to the longest.

ARTIFACT is what `llama_moe tokenize` writes. Needs torch, transformers,
safetensors and numpy.
"""

import argparse
import dataclasses
import json
import resource
import time

import safetensors
import torch
import transformers

IGNORED_LABEL = -100

# float64 logits of so many tokens at a time.
_ROWS_PER_CHUNK = 512


@dataclasses.dataclass(frozen=True)
class Sequence:
    """Token ids and labels, I64 [T] each."""

    ids: torch.Tensor
    labels: torch.Tensor

    def num_predicted(self) -> int:
        return int((self.labels[1:] != IGNORED_LABEL).sum())


def read_artifact(path: str, model_max_length: int | None) -> list[Sequence]:
    """The sequences of a token artifact, cut to so many tokens."""
    with safetensors.safe_open(path, framework="pt") as opened:
        ids, labels, offsets = (
            opened.get_tensor(name).long()
            for name in ("input_ids", "labels", "offsets")
        )
    return [
        Sequence(
            ids[begin:end][:model_max_length], labels[begin:end][:model_max_length]
        )
        for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist())
    ]


def load(directory: str, attention: str) -> transformers.PreTrainedModel:
    """The model with its weights upcast exactly to float32."""
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation=attention
    )
    return model.eval()


def exact_loss(logits: torch.Tensor, sequence: Sequence) -> float:
    """The sum of the tokens' losses, in float64 from float32 logits [T, V]."""
    total = 0.0
    labels = sequence.labels[1:]
    for begin in range(0, labels.numel(), _ROWS_PER_CHUNK):
        rows = slice(begin, min(begin + _ROWS_PER_CHUNK, labels.numel()))
        total += torch.nn.functional.cross_entropy(
            logits[rows].double(),
            labels[rows],
            reduction="sum",
            ignore_index=IGNORED_LABEL,
        ).item()
    return total


@torch.no_grad()
def sum_exactly(model: transformers.PreTrainedModel, batch: list[Sequence]) -> float:
    """As sum_as_transformers, one sequence at a time, through exact_loss."""
    return sum(
        exact_loss(
            model(sequence.ids.unsqueeze(0), use_cache=False).logits[0], sequence
        )
        for sequence in batch
    )


def _pad(rows: list[torch.Tensor], value: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)


@torch.no_grad()
def sum_as_transformers(
    model: transformers.PreTrainedModel, batch: list[Sequence]
) -> float:
    """The sum of the tokens' losses, from the mean that the model returns."""
    num_predicted = sum(sequence.num_predicted() for sequence in batch)
    if num_predicted == 0:
        return 0.0
    arguments = {}
    if len({sequence.ids.numel() for sequence in batch}) > 1:
        arguments["attention_mask"] = _pad(
            [torch.ones_like(sequence.ids) for sequence in batch], 0
        )
    loss = model(
        input_ids=_pad([sequence.ids for sequence in batch], 0),
        labels=_pad([sequence.labels for sequence in batch], IGNORED_LABEL),
        use_cache=False,
        **arguments,
    ).loss
    return loss.item() * num_predicted


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """What the program prints."""
    model = load(arguments.model, arguments.attention)
    sequences = read_artifact(arguments.artifact, arguments.model_max_length)
    sum_losses = sum_exactly if arguments.exact else sum_as_transformers
    size = arguments.batch
    batches = [sequences[i : i + size] for i in range(0, len(sequences), size)]
    if arguments.warm_up:
        sum_losses(model, batches[0])
    start = time.perf_counter()
    total = sum(sum_losses(model, batch) for batch in batches)
    seconds = time.perf_counter() - start
    num_tokens = sum(sequence.ids.numel() for sequence in sequences)
    num_predicted = sum(sequence.num_predicted() for sequence in sequences)
    return {
        "loss": total / num_predicted,
        "num_predicted_tokens": num_predicted,
        "num_tokens": num_tokens,
        "seconds": seconds,
        "tokens_per_sec": num_tokens / seconds,
        # Linux counts it in units of 1024 bytes.
        "peak_resident_bytes": 1024
        * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def _parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("artifact")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model_max_length", type=int)
    parser.add_argument("--exact", action="store_true")
    parser.add_argument("--warm_up", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = _parse_args()
    torch.set_num_threads(arguments.threads)
    print(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
