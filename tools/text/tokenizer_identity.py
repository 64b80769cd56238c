#!/usr/bin/env python3
"""Compares our tokenizers with the tokenizers and sentencepiece packages.

    tokenizer_identity.py TOKENIZE TESTDATA [--short] [--model_dir DIR]...

TOKENIZE is the program //tools/text:tokenize, TESTDATA testdata/tokenizers. Compared
are, id for id and decoded text for decoded text: 5 MB of English, 1 MB of source
code, a text in many scripts, white space, every code point, and 20,000 drawn strings,
ill-formed ones among them. --model_dir adds a directory with a tokenizer.json, as a
real model's.
"""

import argparse
import pathlib
import random
import sys

import tokenizers

import corpora
import texts
import tokenize_client


def large_texts(short: bool) -> dict[str, bytes]:
    """The large texts by name."""
    scale = 20 if short else 1
    rng = random.Random(5)
    spaces = "".join(rng.choice(" \t\n\r\u00a0\u3000\u2028") * rng.randint(1, 9) +
                     rng.choice(["", "a", "word", "1", "."]) for _ in range(20000 // scale))
    return {
        "English": corpora.english(5_000_000 // scale).encode(),
        "source code": corpora.source_code(1_000_000 // scale).encode(),
        "many scripts": texts.multilingual_text(1_000_000 // scale).encode(),
        "white space": spaces.encode(),
        "long white space": b" " * 5000 + b"a" + b"\n" * 3000 + b" \n" * 1000,
        "damaged": damage(texts.multilingual_text(300_000 // scale).encode()),
    }


def damage(data: bytes) -> bytes:
    """The bytes with every hundredth or so replaced."""
    rng = random.Random(6)
    damaged = bytearray(data)
    for _ in range(len(data) // 100):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


def code_points(known: bool) -> list[bytes]:
    """Every code point between letters, in strings of 256."""
    import unicodedata  # pylint: disable=import-outside-toplevel

    strings = []
    for base in range(0, 0x110000, 256):
        points = [c for c in range(base, base + 256) if not 0xD800 <= c < 0xE000]
        if known:
            points = [c for c in points if unicodedata.category(chr(c)) != "Cn"]
        if points:
            strings.append("".join(f"a{chr(c)} {chr(c)}1" for c in points).encode())
    return strings


class Hugging:
    """The tokenizers package."""

    def __init__(self, path: pathlib.Path):
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def encode(self, text: str, special: bool) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=special).ids

    def decode(self, ids: list[int], skip: bool) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=skip)


class SentencePiece:
    """The sentencepiece package; texts with special tokens are not for it."""

    def __init__(self, path: pathlib.Path):
        import sentencepiece  # pylint: disable=import-outside-toplevel

        self._processor = sentencepiece.SentencePieceProcessor(model_file=str(path))

    def encode(self, text: str, special: bool) -> list[int]:
        bos = [self._processor.bos_id()] if special else []
        return bos + self._processor.encode(text)

    def decode(self, ids: list[int], skip: bool) -> str:
        return self._processor.decode(ids) if skip else None


def first_difference(want: list[int], got: list[int]) -> int:
    """Where two lists start to differ."""
    same = 0
    while same < min(len(want), len(got)) and want[same] == got[same]:
        same += 1
    return same


def compare_one(ours, theirs, data: bytes) -> str:
    """What differs in one string, or nothing."""
    text = data.decode("utf-8", errors="replace")
    for special in (False, True):
        want = theirs.encode(text, special)
        got = ours.encode(data, special)
        if want != got:
            at = first_difference(want, got)
            return f"ids differ at {at}: want {want[at:at + 8]}, got {got[at:at + 8]}"
    for skip in (False, True):
        text_wanted = theirs.decode(want, skip)
        text_got = ours.decode(want, skip)
        if text_wanted is not None and text_wanted != text_got:
            return f"decoded text differs: want {text_wanted[:200]!r}, got {text_got[:200]!r}"
    return ""


def compare(name, binary, directory, theirs, arguments) -> int:
    """Compares everything; the number of differences."""
    rng = random.Random(3)
    skip_special = isinstance(theirs, SentencePiece)
    num_fuzzed = 1000 if arguments.short else 20000
    failures = 0
    with tokenize_client.Client(binary, str(directory)) as ours:
        # SentencePiece finds no names of special tokens in a text; ours does.
        allowed = (lambda d: not any(n in d for n in (b"<s>", b"</s>", b"<unk>"))) if (
            skip_special) else (lambda d: True)
        groups = {label: [data] for label, data in large_texts(arguments.short).items()}
        groups["curated"] = [s.encode() for s in texts.CURATED] + texts.ILL_FORMED
        groups["drawn"] = [texts.fuzz_string(rng) for _ in range(num_fuzzed)]
        groups["code points"] = code_points(known=True)
        for label, strings in groups.items():
            if skip_special:
                strings = [s.replace(b"<s>", b"").replace(b"</s>", b"").replace(b"<unk>", b"")
                           for s in strings]
            strings = [s for s in strings if allowed(s)]
            size = sum(map(len, strings))
            if label in ("English", "source code") and size == 0:
                print(f"{name}: {label}: SKIPPED, this machine has none")
                continue
            bad = 0
            for data in strings:
                difference = compare_one(ours, theirs, data)
                if difference:
                    bad += 1
                    if bad <= arguments.shown:
                        print(f"{name}: {label}: {data[:100]!r}: {difference}")
            failures += bad
            print(f"{name}: {label}: {len(strings)} strings, {size} bytes, {bad} differences")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenize")
    parser.add_argument("testdata", type=pathlib.Path)
    parser.add_argument("--short", action="store_true", help="a twentieth of the texts")
    parser.add_argument("--model_dir", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--shown", type=int, default=3, help="differences shown in a group")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    names = ["gpt2_style", "llama3_style", "smollm2_style", "llama2_style"]
    directories = [arguments.testdata / name for name in names] + arguments.model_dir
    failures = 0
    for directory in directories:
        if arguments.only in str(directory):
            theirs = Hugging(directory / "tokenizer.json")
            failures += compare(directory.name, arguments.tokenize, directory, theirs, arguments)
    model = arguments.testdata / "sentencepiece"
    if arguments.only in str(model):
        theirs = SentencePiece(model / "tokenizer.model")
        failures += compare(model.name, arguments.tokenize, model, theirs, arguments)
    print(f"tokenizers {tokenizers.__version__}: {failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
