"""Compares `llama_moe evaluate` with transformers in float32 on English text.

  compare_loss.py LLAMA_MOE MODEL_DIR [--length 512] [--sequences N] [--ragged]
                  [--threads 1] [--speed [--rounds 3]] [--json FILE]
                  [--evaluate_flag=FLAG]...

LLAMA_MOE is the program, built with optimisation; MODEL_DIR a dense checkpoint
with its tokenizer (fetch_smollm2.sh makes one). The text is that of Debian's
documentation (tools/text/corpora.py), cut to pieces of --length tokens, with
--ragged also to halves, thirds and quarters of it. Both sides read the same
token artifact.

The losses may differ by 1e-5: theirs is the float64 mean over the float32 logits.

--speed measures both in turn, --rounds times, each in a process of its own, on
--threads threads, without loading. transformers runs as it is fastest of: one
sequence at a time or a batch of several, attention "sdpa" or "eager"; its peak
memory is the least that any of these has. The bars: 1.5 times its tokens per
second, half its peak resident memory.

Needs Python's standard library; transformers_loss.py, which it runs with the
same Python, needs more: compare_loss.sh sees to that.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import Any, Iterator, Sequence

_TOOLS = pathlib.Path(__file__).absolute().parents[1]
sys.path.append(str(_TOOLS / "text"))

import corpora  # pylint: disable=wrong-import-position

MAX_LOSS_DIFFERENCE = 1e-5
MIN_SPEED_RATIO = 1.5
MAX_MEMORY_RATIO = 0.5

# No tokenizer of English makes fewer tokens of so many characters.
_CHARACTERS_PER_TOKEN = 7
# The size of a padded batch; larger ones are no faster, and their logits take gigabytes.
_TOKENS_PER_BATCH = 4096
_DEFAULT_TOKENS = 8192


class CompareError(Exception):
    """A failure to tell the user about in one line."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """A way of running transformers."""

    batch: int
    attention: str

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.attention}"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run's figures; peak_bytes is counted by the system, from outside."""

    loss: float
    num_predicted_tokens: int
    num_tokens: int
    tokens_per_sec: float
    peak_bytes: int


@dataclasses.dataclass(frozen=True)
class Bar:
    """A figure and what it must reach."""

    what: str
    figure: float
    bar: str
    is_met: bool


def pieces_of(text: str, length: int, count: int, ragged: bool) -> list[str]:
    """Cuts `count` pieces that give `length` tokens or more, or parts of it.

    With `ragged` every second, third and fourth piece is that part as long; a
    token has 3 to 5 characters, so that these come out shorter than `length`.
    """
    pieces, begin = [], 0
    for i in range(count):
        num_chars = _CHARACTERS_PER_TOKEN * length
        if ragged and i % 4 > 0:
            num_chars = 3 * length // (i % 4 + 1)
        pieces.append(text[begin : begin + num_chars])
        begin += num_chars
    if len(pieces[-1]) < num_chars:
        raise CompareError(
            f"{len(text)} characters of English here, want {begin}: "
            "apt-get install debian-reference-en debian-faq, or compare fewer"
        )
    return pieces


def _execute(command: list[str], threads: int) -> tuple[str, int]:
    """Runs a command; returns its output and its peak resident bytes."""
    environment = {
        **os.environ,
        "MOE_NUM_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
    }
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=environment
        ) as process:
            output = process.stdout.read().decode()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").split("\n")
            message = "\n".join(lines[-20:])
            raise CompareError(f"{command[:2]} failed: {message.strip()}")
    return output, usage.ru_maxrss * 1024  # Linux counts KiB.


class Comparison:
    """The programs, the model and the text of one comparison."""

    def __init__(self, arguments: argparse.Namespace, work: pathlib.Path):
        self._arguments = arguments
        self._artifact = str(work / "tokens.safetensors")
        texts = work / "text.jsonl"
        count, length = arguments.sequences, arguments.length
        text = corpora.english(_CHARACTERS_PER_TOKEN * count * length * 2)
        with texts.open("w", encoding="utf-8") as out:
            for piece in pieces_of(text, length, count, arguments.ragged):
                out.write(json.dumps({"text": piece}) + "\n")
        command = [arguments.llama_moe, "tokenize"]
        command += [f"--model_path={arguments.model}"]
        command += [f"--dataset_dir_or_path={texts}"]
        command += [f"--save_path={self._artifact}"]
        command += [f"--model_max_length={length}", "--progress=none"]
        _execute(command, arguments.threads)

    def _run(self, command: list[str]) -> Run:
        output, peak = _execute(command, self._arguments.threads)
        try:
            parsed = json.loads(output)
            return Run(
                float(parsed["loss"]),
                int(parsed["num_predicted_tokens"]),
                int(parsed["num_tokens"]),
                float(parsed["tokens_per_sec"]),
                peak,
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CompareError(
                f"{command[:2]} printed {output[:200]!r}: {error!r}"
            ) from error

    def ours(self) -> Run:
        """Runs `llama_moe evaluate`."""
        arguments = self._arguments
        command = [arguments.llama_moe, "evaluate", "--json"]
        command += [f"--model_path={arguments.model}"]
        command += [f"--dataset_dir_or_path={self._artifact}"]
        command += [f"--model_max_length={arguments.length}"]
        command += arguments.evaluate_flag
        return self._run(command + ["--progress=none"])

    def theirs(self, variant: Variant, exact: bool) -> Run:
        """Runs transformers."""
        arguments = self._arguments
        command = [sys.executable, arguments.transformers_loss]
        command += [arguments.model, self._artifact]
        command += [f"--batch={variant.batch}"]
        command += [f"--attention={variant.attention}"]
        command += [f"--model_max_length={arguments.length}"]
        command += [f"--threads={arguments.threads}"]
        return self._run(command + ["--exact" if exact else "--warm_up"])


def variants(length: int, sequences: int) -> Iterator[Variant]:
    """Yields the ways of running transformers that are tried."""
    batch = min(sequences, max(2, _TOKENS_PER_BATCH // length))
    for size in sorted({1, batch}):
        for attention in ("sdpa", "eager"):
            yield Variant(size, attention)


def check_same_tokens(ours: Run, theirs: Run) -> None:
    """Raises unless both saw the same number of tokens and labels."""
    for field in ("num_tokens", "num_predicted_tokens"):
        mine, other = getattr(ours, field), getattr(theirs, field)
        if mine != other:
            raise CompareError(
                f"{field}: evaluate counts {mine}, transformers {other}"
            )


def compare_loss(comparison: Comparison) -> tuple[dict[str, Any], list[Bar]]:
    """Returns the losses and their bar."""
    ours = comparison.ours()
    theirs = comparison.theirs(Variant(1, "eager"), exact=True)
    check_same_tokens(ours, theirs)
    difference = abs(ours.loss - theirs.loss)
    figures = {
        "num_tokens": ours.num_tokens,
        "num_predicted_tokens": ours.num_predicted_tokens,
        "ours": ours.loss,
        "transformers": theirs.loss,
        "difference": difference,
    }
    # A NaN meets no bar.
    is_met = difference <= MAX_LOSS_DIFFERENCE
    bar = f"at most {MAX_LOSS_DIFFERENCE:g}"
    return figures, [Bar("loss difference", difference, bar, is_met)]


def summarise(
    fastest: Variant, rounds: list[tuple[Run, Run]], all_theirs: list[Run]
) -> tuple[dict[str, Any], list[Bar]]:
    """Returns the figures of rounds of (ours, the fastest of theirs)."""
    ratio = statistics.median(
        ours.tokens_per_sec / theirs.tokens_per_sec for ours, theirs in rounds
    )
    ours_peak = max(ours.peak_bytes for ours, _ in rounds)
    theirs_peak = min(run.peak_bytes for run in all_theirs)
    figures = {
        "variant": str(fastest),
        "ours_tokens_per_sec": [run.tokens_per_sec for run, _ in rounds],
        "transformers_tokens_per_sec": [
            run.tokens_per_sec for _, run in rounds
        ],
        "speed_ratio": ratio,
        "ours_peak_bytes": ours_peak,
        "transformers_peak_bytes": theirs_peak,
        "memory_ratio": ours_peak / theirs_peak,
    }
    memory = ours_peak / theirs_peak
    return figures, [
        Bar(
            "tokens/s, of transformers'",
            ratio,
            f"at least {MIN_SPEED_RATIO:g}",
            ratio >= MIN_SPEED_RATIO,
        ),
        Bar(
            "peak memory, of transformers'",
            memory,
            f"at most {MAX_MEMORY_RATIO:g}",
            memory <= MAX_MEMORY_RATIO,
        ),
    ]


def _show(name: str, run: Run) -> None:
    print(
        f"  {name:<26} {run.tokens_per_sec:9.1f} tokens/s"
        f" {run.peak_bytes / 2**20:8.0f} MiB  loss {run.loss:.6f}",
        flush=True,
    )


def compare_speed(
    comparison: Comparison, choices: list[Variant], num_rounds: int
) -> tuple[dict[str, Any], list[Bar]]:
    """Measures in turn; returns the figures and their bars."""
    tried = {variant: comparison.theirs(variant, False) for variant in choices}
    for variant, run in tried.items():
        _show(f"transformers, {variant}", run)
    fastest = max(choices, key=lambda variant: tried[variant].tokens_per_sec)
    rounds = []
    for _ in range(num_rounds):
        ours, theirs = comparison.ours(), comparison.theirs(fastest, False)
        check_same_tokens(ours, theirs)
        _show("evaluate", ours)
        _show(f"transformers, {fastest}", theirs)
        rounds.append((ours, theirs))
    return summarise(
        fastest, rounds, [*tried.values(), *(theirs for _, theirs in rounds)]
    )


def compare(arguments: argparse.Namespace) -> bool:
    """Compares, prints a table, and returns whether every bar is met."""
    with tempfile.TemporaryDirectory() as work:
        comparison = Comparison(arguments, pathlib.Path(work))
        loss, bars = compare_loss(comparison)
        result: dict[str, Any] = {
            "model": pathlib.Path(arguments.model).name,
            "length": arguments.length,
            "sequences": arguments.sequences,
            "threads": arguments.threads,
            "loss": loss,
        }
        print(
            f"{loss['num_tokens']} tokens: loss {loss['ours']:.8f}, "
            f"transformers {loss['transformers']:.8f}"
        )
        if arguments.speed:
            choices = list(variants(arguments.length, arguments.sequences))
            result["speed"], more = compare_speed(
                comparison, choices, arguments.rounds
            )
            bars += more
    for bar in bars:
        verdict = "met" if bar.is_met else "MISSED"
        print(f"{bar.what:<30} {bar.figure:<12.4g} {bar.bar:<16} {verdict}")
    result["bars"] = [dataclasses.asdict(bar) for bar in bars]
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return all(bar.is_met for bar in bars)


def _parse_args(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_moe")
    parser.add_argument("model")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument(
        "--sequences", type=int, help=f"default: {_DEFAULT_TOKENS} tokens"
    )
    parser.add_argument("--ragged", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument(
        "--evaluate_flag",
        action="append",
        default=[],
        help="another flag of evaluate, as --evaluate_flag=--memory_budget=1GiB",
    )
    parser.add_argument(
        "--transformers_loss",
        default=str(_TOOLS / "python" / "transformers_loss.py"),
        help="the program that runs transformers",
    )
    arguments = parser.parse_args(argv)
    if arguments.sequences is None:
        arguments.sequences = max(2, _DEFAULT_TOKENS // arguments.length)
    return arguments


def main(argv: Sequence[str]) -> int:
    """Runs the command line; returns 0, 1 for a bar missed, 2 on an error."""
    try:
        return 0 if compare(_parse_args(argv)) else 1
    except (CompareError, OSError) as error:
        print(f"compare_loss: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
