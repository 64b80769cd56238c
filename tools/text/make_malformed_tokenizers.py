#!/usr/bin/env python3
"""Makes testdata/tokenizers/malformed: tokenizer.json files with one defect each.

    make_malformed_tokenizers.py --out testdata/tokenizers/malformed [--check]

cases.json says for each which error it has to give: the status code and what the
message mentions. --check compares with what is there and changes nothing. Also writes
../texts, what the fuzzer of encoding starts from. Needs Python's standard library only.
"""

import argparse
import copy
import json
import pathlib
import sys

_INVALID, _UNIMPLEMENTED, _EXHAUSTED = "INVALID_ARGUMENT", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"


def _token(content, **flags):
    fields = {"id": 9, "content": content, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False, "special": True}
    return fields | flags


_BASE = {
    "version": "1.0", "truncation": None, "padding": None,
    "added_tokens": [_token("<s>")],
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [4], "tokens": ["<s>"]}},
    },
    "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "\u0120": 3},
              "merges": [["a", "b"]]},
}

# name: (path into the document, new value or None to delete, code, what is mentioned)
_CHANGES = {
    "version_unknown": ("version", "2.0", _UNIMPLEMENTED, 'found "2.0", which is not implemented'),
    "model_missing": ("model", None, _INVALID, 'expected the field "model"'),
    "model_unigram": ("model/type", "Unigram", _UNIMPLEMENTED, 'found "Unigram", which is not implemented'),
    "model_wordpiece": ("model/type", "WordPiece", _UNIMPLEMENTED, '"WordPiece"'),
    "model_dropout": ("model/dropout", 0.1, _UNIMPLEMENTED, "/model/dropout"),
    "model_dropout_string": ("model/dropout", "x", _INVALID, "/model/dropout"),
    "model_prefix": ("model/continuing_subword_prefix", "##", _UNIMPLEMENTED,
                     "/model/continuing_subword_prefix"),
    "model_suffix": ("model/end_of_word_suffix", "</w>", _UNIMPLEMENTED, "end_of_word_suffix"),
    "model_unk_missing": ("model/unk_token", "<unk>", _INVALID, '"<unk>"'),
    "model_fuse_unk_number": ("model/fuse_unk", 1, _INVALID, "/model/fuse_unk"),
    "vocab_missing": ("model/vocab", None, _INVALID, 'expected the field "vocab"'),
    "vocab_list": ("model/vocab", ["a"], _INVALID, "/model/vocab: expected an object, found an array of 1"),
    "vocab_id_string": ("model/vocab", {"a": "0"}, _INVALID, 'token "a" to be a whole number'),
    "vocab_id_negative": ("model/vocab", {"a": -1}, _INVALID, 'token "a" to be a whole number'),
    "vocab_id_float": ("model/vocab", {"a": 0.5}, _INVALID, 'token "a" to be a whole number'),
    "vocab_id_huge": ("model/vocab", {"a": 2**40}, _INVALID, 'token "a" to be a whole number'),
    "vocab_id_large": ("model/vocab", {"a": 2**30}, _INVALID, "expected an id from 0 to 4194303, found 1073741824"),
    "vocab_id_twice": ("model/vocab", {"a": 0, "b": 0, "ab": 1}, _INVALID, 'expected an id of its own, found 0'),
    "merges_missing": ("model/merges", None, _INVALID, 'expected the field "merges"'),
    "merges_token_missing": ("model/merges", [["a", "z"]], _INVALID, 'expected a token of the vocabulary, found "z"'),
    "merges_result_missing": ("model/merges", [["b", "a"]], _INVALID, 'expected a token of the vocabulary, found "ba"'),
    "merges_twice": ("model/merges", [["a", "b"], ["a", "b"]], _INVALID, "merges[1]: expected another pair"),
    "merges_three": ("model/merges", [["a", "b", "ab"]], _INVALID, "/model/merges/0"),
    "merges_one_word": ("model/merges", ["ab"], _INVALID, "/model/merges/0"),
    "merges_three_words": ("model/merges", ["a b ab"], _INVALID, "/model/merges/0"),
    "merges_mixed": ("model/merges", ["a b", ["a", "b"]], _INVALID, "/model/merges/1"),
    "merges_number": ("model/merges", [7], _INVALID, "/model/merges/0"),
    "normalizer_unknown": ("normalizer/type", "BertNormalizer", _UNIMPLEMENTED,
                           'found "BertNormalizer", which is not implemented'),
    "normalizer_precompiled": ("normalizer/type", "Precompiled", _UNIMPLEMENTED, "Precompiled"),
    "normalizer_no_type": ("normalizer/type", None, _INVALID, "/normalizer"),
    "normalizer_in_sequence": (
        "normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]},
        _UNIMPLEMENTED, 'found "Nmt", which is not implemented'),
    "normalizer_replace_no_pattern": ("normalizer", {"type": "Replace", "content": ""}, _INVALID,
                                      "/normalizer"),
    "normalizer_replace_bad_regex": (
        "normalizer", {"type": "Replace", "pattern": {"Regex": "a**"}, "content": ""}, _INVALID,
        "/normalizer/pattern/Regex"),
    "normalizer_too_many": ("normalizer", {"type": "Sequence", "normalizers": [{"type": "NFC"}] * 65},
                            _EXHAUSTED, "expected at most 64 steps"),
    "pre_tokenizer_unknown": ("pre_tokenizer/type", "BertPreTokenizer", _UNIMPLEMENTED,
                              'found "BertPreTokenizer", which is not implemented'),
    "pre_tokenizer_no_prefix": ("pre_tokenizer/add_prefix_space", None, _INVALID,
                                "add_prefix_space"),
    "pre_tokenizer_bad_behavior": (
        "pre_tokenizer", {"type": "Split", "pattern": {"String": "a"}, "behavior": "Merged",
                          "invert": False}, _INVALID, "/pre_tokenizer/behavior"),
    "pre_tokenizer_regex_refused": (
        "pre_tokenizer", {"type": "Split", "pattern": {"Regex": "\\h"}, "behavior": "Isolated",
                          "invert": False}, _UNIMPLEMENTED, "/pre_tokenizer/pattern/Regex"),
    "pre_tokenizer_regex_unclosed": (
        "pre_tokenizer", {"type": "Split", "pattern": {"Regex": "(a"}, "behavior": "Isolated",
                          "invert": False}, _UNIMPLEMENTED, "no )"),
    "pre_tokenizer_metaspace_long": (
        "pre_tokenizer", {"type": "Metaspace", "replacement": "ab"}, _INVALID,
        "/pre_tokenizer/replacement"),
    "pre_tokenizer_metaspace_scheme": (
        "pre_tokenizer", {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"},
        _INVALID, "/pre_tokenizer/prepend_scheme"),
    "pre_tokenizer_metaspace_conflict": (
        "pre_tokenizer", {"type": "Metaspace", "replacement": "_", "add_prefix_space": False},
        _INVALID, "add_prefix_space"),
    "pre_tokenizer_byte_levels": (
        "pre_tokenizer",
        {"type": "Sequence", "pretokenizers": [
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
             "use_regex": False}] * 3},
        _UNIMPLEMENTED, "expected at most 2 ByteLevel, found 3"),
    "post_processor_unknown": ("post_processor/type", "RobertaProcessing", _UNIMPLEMENTED,
                               'found "RobertaProcessing", which is not implemented'),
    "post_processor_token_missing": ("post_processor/special_tokens", {}, _INVALID,
                                     'expected a name of special_tokens, found "<s>"'),
    "post_processor_no_pair": ("post_processor/pair", None, _INVALID, 'expected the field "pair"'),
    "post_processor_no_type_id": (
        "post_processor/single", [{"Sequence": {"id": "A"}}], _INVALID,
        '/post_processor/single/0/Sequence: expected the field "type_id"'),
    "post_processor_two_pieces_in_one": (
        "post_processor/pair", [{"Sequence": {"id": "A", "type_id": 0},
                                 "SpecialToken": {"id": "<s>", "type_id": 0}}], _INVALID,
        "/post_processor/pair/0: expected an object with one field of Sequence, "
        "SpecialToken, found an object of 2"),
    "post_processor_no_tokens": (
        "post_processor/special_tokens", {"<s>": {"id": "<s>", "ids": [4]}}, _INVALID,
        '/post_processor/special_tokens/<s>: expected the field "tokens"'),
    "post_processor_byte_level_no_trim": (
        "post_processor", {"type": "ByteLevel", "add_prefix_space": True}, _INVALID,
        '/post_processor: expected the field "trim_offsets"'),
    "post_processor_id_out_of_range": (
        "post_processor/special_tokens", {"<s>": {"id": "<s>", "ids": [5], "tokens": ["<s>"]}},
        _INVALID,
        "/post_processor/special_tokens/<s>/ids/0: expected a whole number from 0 to 4, found 5"),
    "post_processor_second_text": (
        "post_processor/single", [{"Sequence": {"id": "B", "type_id": 0}}], _INVALID,
        "/post_processor/single/0"),
    "decoder_unknown": ("decoder/type", "WordPiece", _UNIMPLEMENTED,
                        'found "WordPiece", which is not implemented'),
    "decoder_strip_negative": ("decoder", {"type": "Strip", "content": " ", "start": -1, "stop": 0},
                               _INVALID, "/decoder/start"),
    "padding_no_token": (
        "padding", {"strategy": "BatchLongest", "direction": "Right", "pad_id": 0,
                    "pad_type_id": 0}, _INVALID, '/padding: expected the field "pad_token"'),
    "truncation_strategy": (
        "truncation", {"max_length": 8, "strategy": "First", "stride": 0}, _INVALID,
        "/truncation/strategy"),
    "field_unknown": ("more", 1, _INVALID, 'found "more"; remove it'),
    "added_tokens_long": ("added_tokens", [_token("x" * 5000)], _EXHAUSTED,
                          "expected at most 4096 bytes in one, found 5000"),
    "added_tokens_normalized_long": (
        "normalizer", {"type": "Prepend", "prepend": "x" * 5000}, _EXHAUSTED,
        "expected at most 4096 bytes in one, found 5003"),
    "added_tokens_object": ("added_tokens", {}, _INVALID, "/added_tokens"),
    "added_tokens_no_flag": ("added_tokens", [{"id": 1, "content": "x"}], _INVALID,
                             "/added_tokens/0"),
    "added_tokens_twice": ("added_tokens", [_token("x"), _token("x", lstrip=True)], _INVALID,
                           "/added_tokens/1"),
    "added_tokens_id_taken": ("model/vocab", {"a": 0, "b": 1, "ab": 3}, _INVALID,
                              "found 3, which is the id of"),
    "added_tokens_normalized_away": (
        "normalizer", {"type": "Replace", "pattern": {"String": "<x>"}, "content": ""}, _INVALID,
        'expected a normalized form of its own, found ""'),
}


def _changed(path: str, value):
    document = copy.deepcopy(_BASE)
    if "normalized_away" in str(path):
        document["added_tokens"].append(_token("<x>", normalized=True))
    *parents, last = path.split("/")
    at = document
    for name in parents:
        at = at[name]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return document


def files() -> dict[str, bytes]:
    """Every file's bytes by its name."""
    made, cases = {}, {}

    def add(name, data, code, mentions):
        made[f"malformed/{name}.json"] = data
        cases[name] = {"code": code, "mentions": mentions}

    for name, (path, value, code, mentions) in _CHANGES.items():
        document = _changed(path, value)
        if name.startswith("added_tokens_normalized"):
            document["added_tokens"].append(_token("<x>", normalized=True))
        data = json.dumps(document, ensure_ascii=False).encode() + b"\n"
        add(name, data, code, mentions)
    whole = json.dumps(_BASE).encode()
    add("json_cut", whole[:200], _INVALID, "malformed JSON")
    add("json_empty", b"", _INVALID, "malformed JSON")
    add("json_list", b"[]\n", _INVALID, "/: expected an object, found an array of 0")
    add("json_not_utf8", whole.replace(b'"NFC"', b'"NF\xff"'), _INVALID, "malformed JSON")
    add("json_key_twice", b'{"model":1,"model":2}\n', _INVALID, "occurs twice")
    add("json_deep", b"[" * 2000, _INVALID, "nested deeper")
    add("whole", whole, "OK", "")
    made["malformed/cases.json"] = (json.dumps(cases, indent=1) + "\n").encode()
    for name, text in {
        "english": b"I'm here; you're THERE. 12345 cats don't   care!\r\n\n",
        "scripts": "Привет 你好 안녕 नमस्ते 👨‍👩‍👧 e\u0301 \u3000".encode(),
        "special": b"<|begin_of_text|><s> a </s><mask> word <rs>  x<|endoftext|>",
        "ill_formed": b"a\xc3 \xe2\x82 \xf0\x9f\x91 \xed\xa0\x80 \xff",
    }.items():
        made[f"texts/{name}.txt"] = text
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    wrong = 0
    for name, data in files().items():
        path = arguments.out.parent / name
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif not path.is_file() or path.read_bytes() != data:
            print(f"{path}: not what this script makes")
            wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
