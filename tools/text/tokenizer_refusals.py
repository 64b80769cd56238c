#!/usr/bin/env python3
"""Damages tokenizer.json files: what the tokenizers package refuses is refused by ours.

    tokenizer_refusals.py TOKENIZE [--part NAME] [--shown N]

Takes a few whole files that have something of everything, and at each place of each of
them deletes the value, or puts another there: of another type, of a wrong value, doubled,
or under another name. A file that the package refuses and ours takes is an error, and so is
a file that the package takes and ours calls malformed, unless it is one of the few that
_STRICTER names.
"""

import argparse
import copy
import json
import pathlib
import re
import sys
import tempfile

import tokenizers

import tokenize_client

_DELETED = object()
# What is put in the place of any value.
_VALUES = [
    _DELETED, None, True, 0, 1, -1, 7, 2**31, 2**32, 2**64, 0.5, 4.0, "", "x", "A", "B", "$A",
    "<s>", "<t>", "Ā", "ab", [], ["<s>"], ["a", "b"], [0], [4, 5], {}, {"id": "<s>"},
]


def _template(**changes):
    fields = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "<t>", "type_id": 1}},
            {"Sequence": {"id": "B", "type_id": 1}},
        ],
        "special_tokens": {
            "<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]},
            "<t>": {"id": "<t>", "ids": [5, 4], "tokens": ["<t>", "<s>"]},
        },
    }
    return fields | changes


_BYTE_LEVEL = {
    "type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True,
}
_METASPACE = {
    "type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False,
}


def _added(token_id, content, **changes):
    return {
        "id": token_id, "content": content, "single_word": False, "lstrip": False,
        "rstrip": False, "normalized": False, "special": True,
    } | changes


_MODEL = {
    "type": "BPE", "dropout": None, "unk_token": "a", "continuing_subword_prefix": None,
    "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
    "ignore_merges": False, "vocab": {"a": 0, "b": 1, "ab": 2, "Ġ": 3},
    "merges": [["a", "b"]],
}


def _file(**parts):
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [_added(4, "<s>"), _added(5, "<t>", special=False)],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": _MODEL,
    } | parts


# part: files whose value of that part is damaged.
_FILES = {
    "post_processor": [
        _template(),
        _BYTE_LEVEL,
        {"type": "Sequence", "processors": [_BYTE_LEVEL, _template()]},
    ],
    "normalizer": [
        {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Lowercase"}, {"type": "Prepend", "prepend": "▁"},
            {"type": "Strip", "strip_left": True, "strip_right": False},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
            {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "b"},
        ]},
    ],
    "pre_tokenizer": [
        {"type": "Sequence", "pretokenizers": [
            {"type": "Digits", "individual_digits": True}, {"type": "WhitespaceSplit"},
            {"type": "Whitespace"}, _METASPACE,
            {"type": "Split", "pattern": {"Regex": "a|b"}, "behavior": "Isolated",
             "invert": False},
            {"type": "Split", "pattern": {"String": "a"}, "behavior": "Removed", "invert": True},
            _BYTE_LEVEL,
        ]},
        _METASPACE,
        _BYTE_LEVEL,
    ],
    "decoder": [
        {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"}, _METASPACE,
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}, _BYTE_LEVEL,
        ]},
        _METASPACE,
        _BYTE_LEVEL,
    ],
    "added_tokens": [[_added(4, "<s>"), _added(5, "<t>", special=False, lstrip=True)]],
    "model": [_MODEL, _MODEL | {"merges": ["a b"], "unk_token": None}],
    "version": ["1.0"],
    "truncation": [
        {"direction": "Right", "max_length": 512, "strategy": "LongestFirst", "stride": 0},
    ],
    "padding": [
        {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None,
         "pad_id": 0, "pad_type_id": 0, "pad_token": "a"},
        {"strategy": {"Fixed": 8}, "direction": "Left", "pad_to_multiple_of": 8,
         "pad_id": 0, "pad_type_id": 0, "pad_token": "a"},
    ],
}


def _places(value, path=()):
    """The path of every value below and of the value itself."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, path + (key,))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _places(inner, path + (i,))


def _at(document, path):
    for step in path:
        document = document[step]
    return document


def _put(document, path, value):
    """A copy of the document with another value, or none, at the path."""
    changed = copy.deepcopy(document)
    parent = _at(changed, path[:-1])
    if value is _DELETED:
        del parent[path[-1]]
    else:
        parent[path[-1]] = copy.deepcopy(value)
    return changed


def _damaged(document, part):
    """(what was done, document) for each way of damaging the part."""
    for inner in _places(document[part]):
        path = (part,) + inner
        for value in _VALUES:
            shown = "deleted" if value is _DELETED else json.dumps(value, ensure_ascii=False)
            yield f"/{'/'.join(map(str, path))}: {shown}", _put(document, path, value)
        old = _at(document, path)
        if isinstance(path[-1], int):
            parent = _at(document, path[:-1])
            yield f"/{'/'.join(map(str, path))}: doubled", _put(
                document, path[:-1], parent[: path[-1] + 1] + parent[path[-1]:])
        elif len(path) > 1:
            renamed = _put(document, path, _DELETED)
            _at(renamed, path[:-1])["renamed"] = old
            yield f"/{'/'.join(map(str, path))}: renamed", renamed
        if isinstance(old, dict):
            yield f"/{'/'.join(map(str, path))}: one more field", _put(
                document, path, old | {"more": 1})


def _package_error(text: str) -> str:
    """Why the package refuses the file, or nothing."""
    try:
        tokenizers.Tokenizer.from_str(text)
    except BaseException as error:  # pylint: disable=broad-except  # Rust's panics, too.
        return str(error) or type(error).__name__
    return ""


def _our_error(client: tokenize_client.Client, directory: str) -> str:
    """Why ours refuses the tokenizer.json of the directory, or nothing."""
    try:
        client.load(directory)
    except tokenize_client.Error as error:
        return str(error)
    return ""


# What the package takes and ours calls malformed: what was done, and our message.
_STRICTER = [
    # Without a type, the package tries each one until the fields fit.
    r'/type: .*(expected the field "type"|/type: expected a string, found )',
    # An array for an object, whose items are the fields in their order.
    r': \["<s>"\]: .*expected an object, found an array of 1',
    # Ids of 32 bits, and of tokens that there are.
    r": (7|2147483648|4294967296): .*(expected a whole number .*, found \d+|expected the id of .* whole number)",
    # What the package takes and then fails on when it encodes: a text B or an unknown token
    # in the template for one text, and an unk_token that is none.
    r'/id: "B": .*expected "A", the only text, found',
    r"expected a name of special_tokens",
    r"/unk_token: .*expected a token of the vocabulary",
    # One id or one merge for two.
    r"/vocab.*expected an id of its own|/merges/0: doubled: .*expected another pair",
    r"/added_tokens/\d/content: .*once, found it again with other flags",
]


def _is_stricter(what: str, error: str) -> bool:
    return "UNIMPLEMENTED" in error or any(
        re.search(pattern, f"{what}: {error}") for pattern in _STRICTER)


def _judge(what, theirs, ours) -> str:
    if theirs and not ours:
        return f"{what}: taken, but the package says: {theirs}"
    if ours and not theirs and not _is_stricter(what, ours):
        return f"{what}: the package takes it, and ours says: {ours}"
    return ""


class Comparison:
    """Asks both about files, and counts."""

    def __init__(self, binary: str, shown: int):
        self._folder = tempfile.TemporaryDirectory()
        self._path = pathlib.Path(self._folder.name) / "tokenizer.json"
        self._write(json.dumps(_file()))
        self._ours = tokenize_client.Client(binary, self._folder.name)
        self._shown = shown

    def __enter__(self) -> "Comparison":
        return self

    def __exit__(self, *_) -> None:
        self._ours.__exit__()
        self._folder.cleanup()

    def _write(self, text: str) -> None:
        self._path.write_text(text, encoding="utf-8")

    def errors(self, document) -> tuple[str, str]:
        """What the package says, and what ours says."""
        text = json.dumps(document, ensure_ascii=False)
        self._write(text)
        return _package_error(text), _our_error(self._ours, self._folder.name)

    def run(self, part: str) -> bool:
        """Whether all is as it should be with damage to that part."""
        tried = refused = different = 0
        for value in _FILES[part]:
            whole = _file(**{part: value})
            if any(errors := self.errors(whole)):
                print(f"{part}: a file that is whole is refused: {errors}")
                return False
            for what, document in _damaged(whole, part):
                theirs, ours = self.errors(document)
                tried += 1
                refused += bool(theirs and ours)
                if difference := _judge(what, theirs, ours):
                    different += 1
                    if different <= self._shown:
                        print(difference)
        print(f"tokenizers {tokenizers.__version__}: {part}: {tried} damaged files, "
              f"{refused} refused by both, {different} judged differently")
        return different == 0 and refused > 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenize")
    parser.add_argument("--part", choices=sorted(_FILES))
    parser.add_argument("--shown", type=int, default=20)
    arguments = parser.parse_args()
    parts = [arguments.part] if arguments.part else list(_FILES)
    with Comparison(arguments.tokenize, arguments.shown) as comparison:
        results = [comparison.run(part) for part in parts]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
