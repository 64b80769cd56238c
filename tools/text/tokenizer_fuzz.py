#!/usr/bin/env python3
"""Draws tokenizer.json files and compares ours with the tokenizers package on them.

    tokenizer_fuzz.py TOKENIZE [--seed N] [--files N] [--strings N]

Each file has a small learnt or drawn vocabulary and drawn normalizers, pre-tokenizers,
added tokens, post-processors and decoders. A file that the package refuses has to be
refused; one that we refuse as not implemented is counted. Prints a failing file's seed,
which --seed N --files 1 runs again.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile

import tokenizers

import texts
import tokenize_client

_LETTERS = "abcdest'SK "
_PATTERNS = [
    texts.LLAMA3_PATTERN, r"\s+", r"\d", r"\p{N}{1,3}", r"[a-c]+", r"a|b", r"\w+|[^\w\s]+", r"",
    r"(?=[A-Z])", r"\b", r"\B", r"[^\s]+", r"(?<=a)b", r"(?<!a)b", r"^.", r".$", r"\s+(?!\S)",
    r"(?i:abc)", r"(?i:[sd])", r"\p{Lu}", r"\P{L}+", r"[\p{L}\p{M}]+", r"\S", r"\W", r"\D+",
    r"\x{61}|\u0062", r"a{2}", r"a{1,}", r"a*?b", r"a++b", r"(a|b)+c", r"\p{Han}|[\p{Greek}ab]",
    r"[\r\n/]*", r"\A\s", r"\s\z", r"[.\-+*]", r"a?", r"x*", r"\p{^L}", r"\t|\v|\f", "é+", "[à-ü]",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re)?",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+",
]
# With patterns that match nothing, the package's normalizer loses track of what it has put
# at a text's beginning: pre-tokenizers then see parts of the text twice or never.
_EMPTY = {"", r"(?=[A-Z])", r"\b", r"\B", r"[\r\n/]*", "a?", "x*"}
_STRINGS = [" ", "a", "ab", "▁", "  ", "\n", "'", "é", "", "1"]
_CONTENTS = ["", "▁", " ", "x", "ab", "é", "a b"]
_BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
_ADDED = [
    "<s>", "</s>", "<a>", " <b>", "<c> ", "word", "a", "ab", "  ", "\n", "é", "Ab", "▁x", "<s>a",
    "s", "'s", "<|x|>", "中", "ÀB", "ﬁ", "e\u0301",
]


def _bool(rng):
    return rng.random() < 0.5


def _pattern(rng, may_be_empty=True):
    kind, choices = ("Regex", _PATTERNS) if _bool(rng) else ("String", _STRINGS)
    return {kind: rng.choice([c for c in choices if may_be_empty or c not in _EMPTY])}


def _normalizer(rng, depth=0):
    kind = rng.randrange(11)
    if kind < 4:
        return {"type": ("NFC", "NFD", "NFKC", "NFKD")[kind]}
    if kind == 4:
        return {"type": "Lowercase"}
    if kind == 5:
        return {"type": "Strip", "strip_left": _bool(rng), "strip_right": _bool(rng)}
    if kind == 6:
        return {"type": "Prepend", "prepend": rng.choice(["▁", "ab", " ", "é"])}
    if kind < 9 or depth > 1:
        return {
            "type": "Replace", "pattern": _pattern(rng, may_be_empty=False),
            "content": rng.choice(_CONTENTS),
        }
    return {
        "type": "Sequence",
        "normalizers": [_normalizer(rng, depth + 1) for _ in range(rng.randint(0, 3))],
    }


def _metaspace(rng):
    fields = {"type": "Metaspace", "replacement": rng.choice("▁▁▁_é")}
    if _bool(rng):
        fields["prepend_scheme"] = rng.choice(["always", "never", "first"])
    if rng.random() < 0.2:
        fields["add_prefix_space"] = _bool(rng)
    if _bool(rng):
        fields["split"] = _bool(rng)
    return fields


def _pre_tokenizer(rng, depth=0):
    kind = rng.randrange(11)
    if kind < 2:
        fields = {"type": "ByteLevel", "add_prefix_space": _bool(rng), "trim_offsets": True}
        if _bool(rng):
            fields["use_regex"] = _bool(rng)
        return fields
    if kind == 2:
        return {"type": "Digits", "individual_digits": _bool(rng)}
    if kind == 3:
        return _metaspace(rng)
    if kind == 4:
        return {"type": rng.choice(["Whitespace", "WhitespaceSplit"])}
    if kind < 8 or depth > 1:
        return {
            "type": "Split", "pattern": _pattern(rng), "behavior": rng.choice(_BEHAVIORS),
            "invert": _bool(rng),
        }
    return {
        "type": "Sequence",
        "pretokenizers": [_pre_tokenizer(rng, depth + 1) for _ in range(rng.randint(0, 3))],
    }


def _decoder(rng, depth=0):
    kind = rng.randrange(8)
    if kind < 2:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
    if kind == 2:
        return _metaspace(rng)
    if kind == 3:
        return {"type": rng.choice(["Fuse", "ByteFallback"])}
    if kind == 4:
        # The package fails on tokens shorter than `stop`.
        return {"type": "Strip", "content": rng.choice(" a▁"), "start": rng.randint(0, 3), "stop": 0}
    if kind == 5 or depth > 1:
        return {"type": "Replace", "pattern": _pattern(rng), "content": rng.choice(_CONTENTS)}
    return {
        "type": "Sequence", "decoders": [_decoder(rng, depth + 1) for _ in range(rng.randint(0, 4))]
    }


def _post_processor(rng, names):
    if rng.random() < 0.3:
        return {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": _bool(rng)}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    special = [{"SpecialToken": {"id": n, "type_id": 0}} for n in names[:2]]
    single = rng.choice([[text], special + [text], [text] + special, special[:1] + [text, text]])
    template = {
        "type": "TemplateProcessing", "single": single, "pair": [text],
        "special_tokens": {n: {"id": n, "ids": [i], "tokens": [n]} for i, n in enumerate(names)},
    }
    if _bool(rng):
        byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
        return {"type": "Sequence", "processors": [byte_level, template]}
    return template


def _model(rng):
    alphabet = list(dict.fromkeys(
        rng.sample(_LETTERS, rng.randint(5, len(_LETTERS))) + list("ĠĊÃ©▁_é12xAÀ<>|/中")))
    vocab = list(alphabet)
    if _bool(rng):
        vocab += [f"<0x{b:02X}>" for b in range(256) if rng.random() < 0.98]
    if _bool(rng):
        vocab.append("<unk>")
    merges = []
    for _ in range(rng.randint(0, 60)):
        pair = rng.choice(vocab[:80]), rng.choice(vocab[:80])
        if "<0x" in pair[0] + pair[1] or "<unk>" in pair or pair in merges:
            continue
        merges.append(pair)
        if "".join(pair) not in vocab:
            vocab.insert(len(alphabet), "".join(pair))
    model = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": _bool(rng), "byte_fallback": _bool(rng),
        "ignore_merges": _bool(rng), "vocab": {t: i for i, t in enumerate(vocab)},
        "merges": [list(m) for m in merges],
    }
    if "<unk>" in vocab and _bool(rng):
        model["unk_token"] = "<unk>"
    if _bool(rng) and not any(" " in a + b for a, b in merges):
        model["merges"] = [f"{a} {b}" for a, b in merges]
    return model


def draw_file(rng) -> dict:
    """A tokenizer.json."""
    model = _model(rng)
    added = [
        {
            "id": 0, "content": content, "single_word": rng.random() < 0.3,
            "lstrip": rng.random() < 0.3, "rstrip": rng.random() < 0.3,
            "normalized": rng.random() < 0.4, "special": _bool(rng),
        }
        for content in rng.sample(_ADDED, rng.choice([0, 1, 2, 4, 7]))
    ]
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": _normalizer(rng) if rng.random() < 0.5 else None,
        "pre_tokenizer": _pre_tokenizer(rng) if rng.random() < 0.8 else None,
        "post_processor": _post_processor(rng, ["a", "<s>"]) if _bool(rng) else None,
        "decoder": _decoder(rng) if rng.random() < 0.8 else None,
        "model": model,
    }


def draw_string(rng, fields) -> bytes:
    """A string with the file's own letters and added tokens in it."""
    if rng.random() < 0.2:
        return texts.fuzz_string(rng)
    pieces = list(_LETTERS) + ["é", "中", "1", "12", "▁", "\n", "\t", "  ", "E", "İ", "ﬁ", "ß", "x"]
    pieces += [t["content"] for t in fields["added_tokens"]] * 3
    return "".join(rng.choice(pieces) for _ in range(rng.randint(0, 24))).encode()


def run_file(binary, directory, seed, num_strings) -> str:
    """What came of one file: "same", "refused", or what differs."""
    rng = random.Random(seed)
    fields = draw_file(rng)
    path = pathlib.Path(directory) / "tokenizer.json"
    path.write_text(json.dumps(fields, ensure_ascii=False), encoding="utf-8")
    try:
        theirs = tokenizers.Tokenizer.from_file(str(path))
    except BaseException as error:  # pylint: disable=broad-except  # Rust's panics, too.
        theirs = error
    with tokenize_client.Client(binary, directory) as ours:
        try:
            ours.encode(b"", False)
        except tokenize_client.Error as error:
            # A token that is nothing, or another one, when it is normalized: the package
            # goes on, with tokens that are never or anywhere found.
            known = "UNIMPLEMENTED" in str(error) or "a normalized form of its own" in str(error)
            if known or isinstance(theirs, BaseException):
                return "refused"
            return f"refused: {error}"
        if type(theirs).__name__ == "PanicException":
            return "refused"
        if isinstance(theirs, BaseException):
            return f"taken, but the package says: {theirs}"
        for _ in range(num_strings):
            difference = _compare(ours, theirs, draw_string(rng, fields), rng, fields)
            if difference:
                return difference
    return "same"


def _compare(ours, theirs, data, rng, fields) -> str:
    text = data.decode("utf-8", errors="replace")
    special = _bool(rng)
    try:
        want = theirs.encode(text, add_special_tokens=special).ids
    except BaseException:  # pylint: disable=broad-except
        return ""
    got = ours.encode(data, special)
    if got != want:
        return f"{data!r} special={special}: want {want}, got {got}"
    # From 0.23 on the package decodes normalized tokens to their normalized form.
    if fields["normalizer"] and any(t["normalized"] for t in fields["added_tokens"]):
        return ""
    ids = want + [rng.randrange(theirs.get_vocab_size()) for _ in range(rng.randint(0, 6))]
    skip = _bool(rng)
    try:
        decoded = theirs.decode(ids, skip_special_tokens=skip)
    except BaseException:  # pylint: disable=broad-except
        return ""
    got_text = ours.decode(ids, skip)
    return "" if decoded == got_text else f"{ids} skip={skip}: want {decoded!r}, got {got_text!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenize")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--strings", type=int, default=40)
    arguments = parser.parse_args()
    counts = {"same": 0, "refused": 0, "different": 0}
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(arguments.seed, arguments.seed + arguments.files):
            result = run_file(arguments.tokenize, directory, seed, arguments.strings)
            counts[result if result in counts else "different"] += 1
            if result not in counts:
                print(f"seed {seed}: {result}")
    print(f"tokenizers {tokenizers.__version__}: {counts}")
    return 1 if counts["different"] else 0


if __name__ == "__main__":
    sys.exit(main())
