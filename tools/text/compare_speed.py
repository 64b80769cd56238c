#!/usr/bin/env python3
"""Measures our tokenizer against the tokenizers package, in turn, on one thread.

    compare_speed.py TOKENIZE DIR... [--rounds N]

TOKENIZE is the program //tools/text:tokenize, built with optimisation; each DIR has a
tokenizer.json. Prints megabytes a second of both and the median ratio, for one large
text, and for pieces of it (ours one call each, theirs one batch without offsets).
"""

import argparse
import os
import pathlib
import statistics
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers  # pylint: disable=wrong-import-position

import corpora  # pylint: disable=wrong-import-position
import texts  # pylint: disable=wrong-import-position
import tokenize_client  # pylint: disable=wrong-import-position


def _time_theirs(tokenizer, parts: list[str]) -> float:
    # The fastest that the package has: without offsets, and one call for all.
    start = time.perf_counter()
    tokenizer.encode_batch_fast(parts, add_special_tokens=False)
    return time.perf_counter() - start


def _parts_of(text: str, num_chars: int) -> list[str]:
    return [text[i:i + num_chars] for i in range(0, len(text), num_chars)]


def _measure(name: str, label: str, ours, theirs, parts: list[str], rounds: int) -> None:
    data = [part.encode() for part in parts]
    megabytes = sum(map(len, data)) / 1e6
    ours_seconds, theirs_seconds = [], []
    for i in range(rounds + 1):
        mine = sum(ours.time(part, 1)[0] for part in data)
        other = _time_theirs(theirs, parts)
        if i > 0:  # The first fills both caches.
            ours_seconds.append(mine)
            theirs_seconds.append(other)
    ratio = statistics.median(t / o for o, t in zip(ours_seconds, theirs_seconds))
    print(
        f"{name}: {label}: ours {megabytes / statistics.median(ours_seconds):.1f} MB/s,"
        f" tokenizers {tokenizers.__version__}"
        f" {megabytes / statistics.median(theirs_seconds):.1f} MB/s, ratio {ratio:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenize")
    parser.add_argument("directories", type=pathlib.Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bytes", type=int, default=2_000_000)
    arguments = parser.parse_args()
    english = corpora.english(arguments.bytes)
    if not english:
        raise SystemExit("no English here: apt-get install debian-reference-en debian-faq")
    code = corpora.source_code(arguments.bytes // 2)
    scripts = texts.multilingual_text(arguments.bytes // 4)
    for directory in arguments.directories:
        theirs = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
        with tokenize_client.Client(arguments.tokenize, str(directory)) as ours:
            for label, parts in [
                ("English, one text", [english]),
                ("English, texts of 2000", _parts_of(english, 2000)),
                ("source code", [code]),
                ("many scripts", [scripts]),
            ]:
                _measure(directory.name, label, ours, theirs, parts, arguments.rounds)


if __name__ == "__main__":
    main()
