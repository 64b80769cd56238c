#!/usr/bin/env python3
"""Compares tokenizers whose files disagree with what transformers makes of them.

    config_tokens_identity.py TOKENIZE TESTDATA [--files N] [--shown N]

TOKENIZE is the program //tools/text:tokenize, TESTDATA testdata/tokenizers. Drawn are
tokenizer_config.json, special_tokens_map.json and added_tokens.json beside a
tokenizer.json whose special tokens and post-processor are drawn, too: tokens that
stand in one file and not in another, with other flags or ids, classes that make a
post-processor, and add_bos_token and add_eos_token. Compared are the ids of texts
with all of the tokens, with and without the special tokens around them, against
AutoTokenizer. Files that transformers refuses are counted and left out. Files that give
one token twice with other flags are refused here, and counted; transformers takes the one
that stands last.

Not drawn is where transformers 4.57 errs: with additional_special_tokens in
special_tokens_map.json and an added_tokens.json it takes another token for the last of
the former; beside an added_tokens.json it knows special tokens by their strings alone.
Nor is a name that special_tokens_map.json alone has beside an added_tokens_decoder:
transformers takes none from there, and ours takes bos_token, eos_token and unk_token.
Nor are extra_special_tokens of CodeLlamaTokenizer, which has tokens of its own between.
"""

import argparse
import json
import logging
import pathlib
import random
import sys
import tempfile

import transformers

import tokenize_client

_NAMED = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
          "mask_token"]
_CLASSES = ["PreTrainedTokenizerFast", "PreTrainedTokenizer", "LlamaTokenizerFast",
            "LlamaTokenizer", "GemmaTokenizerFast", "CodeLlamaTokenizerFast",
            "GPTNeoXTokenizerFast", "GPT2Tokenizer"]
_NEW = ["<pad>", "<|im_start|>", "<new>", "[MASK]", "the", "<é>"]


def flags(rng: random.Random) -> dict:
    """Flags of a token, most of them as they are in most files."""
    special = rng.random() < 0.7
    drawn = {name: rng.random() < 0.15 for name in ("lstrip", "rstrip", "single_word")}
    normalized = not special if rng.random() < 0.8 else special
    return {**drawn, "special": special, "normalized": normalized}


def named(rng: random.Random, content: str):
    """A special token as a string or as an object."""
    if rng.random() < 0.6:
        return content
    return {"__type": "AddedToken", "content": content, **flags(rng)}


class Case:
    """The files of one tokenizer."""

    def __init__(self, rng: random.Random, original: dict):
        document = json.loads(json.dumps(original))
        vocab = document["model"]["vocab"]
        own = [token["content"] for token in document["added_tokens"]]
        kept = [t for t in document["added_tokens"] if rng.random() < 0.7]
        size = len(vocab)
        for i, token in enumerate(kept):
            token["id"] = vocab.get(token["content"], size + i)
            if rng.random() < 0.1:
                token.update(flags(rng))
        document["added_tokens"] = kept
        self.tokens = own + _NEW
        ids = {token["content"]: token["id"] for token in kept}
        document["post_processor"] = self._post_processor(rng, ids)
        self.files = {"tokenizer.json": document}
        self._draw_config(rng, size + len(kept))

    @staticmethod
    def _post_processor(rng: random.Random, ids: dict):
        byte_level = {"type": "ByteLevel", "add_prefix_space": True,
                      "trim_offsets": False, "use_regex": True}
        if not ids or rng.random() < 0.4:
            return rng.choice([None, byte_level])
        used = rng.sample(sorted(ids), min(len(ids), 2))

        def special(name):
            return {"SpecialToken": {"id": name, "type_id": 0}}

        text = {"Sequence": {"id": "A", "type_id": 0}}
        single = [special(used[0]), text]
        if rng.random() < 0.4:
            single = [text, special(used[-1])]
        if rng.random() < 0.2:
            single = [special(used[0]), text, special(used[-1])]
        return {"type": "TemplateProcessing", "single": single, "pair": [text, text],
                "special_tokens": {name: {"id": name, "ids": [ids[name]], "tokens": [name]}
                                   for name in used}}

    def _draw_config(self, rng: random.Random, size: int) -> None:
        with_added_tokens = rng.random() < 0.3
        with_decoder = not with_added_tokens and rng.random() < 0.5
        as_is = (lambda _, t: t) if with_added_tokens else named
        config = {"tokenizer_class": rng.choice(_CLASSES)}
        for field in _NAMED:
            if rng.random() < (0.8 if field in ("bos_token", "eos_token") else 0.3):
                config[field] = as_is(rng, rng.choice(self.tokens))
            elif rng.random() < 0.3:
                config[field] = None
        for field in ("add_bos_token", "add_eos_token"):
            if rng.random() < 0.5:
                config[field] = rng.random() < 0.5
        if rng.random() < 0.4:
            config["additional_special_tokens"] = [
                as_is(rng, t) for t in rng.sample(self.tokens, rng.randrange(4))]
        if "CodeLlama" not in config["tokenizer_class"] and rng.random() < 0.2:
            config["extra_special_tokens"] = {"image_token": rng.choice(self.tokens)}
        if with_decoder:
            config["added_tokens_decoder"] = {
                str(size + rng.choice([i, i + 3])): {"content": token, **flags(rng)}
                for i, token in enumerate(rng.sample(self.tokens, rng.randrange(5)))}
        self.files["tokenizer_config.json"] = config
        if rng.random() < 0.3:
            fields = rng.sample(_NAMED[3:] if with_decoder else _NAMED, 2)
            special = {f: named(rng, rng.choice(self.tokens)) for f in fields}
            for token in special.values():
                if isinstance(token, dict):
                    del token["__type"]
            if not with_added_tokens and rng.random() < 0.5:
                special["additional_special_tokens"] = rng.sample(self.tokens, 2)
            self.files["special_tokens_map.json"] = special
        if with_added_tokens:
            self.files["added_tokens.json"] = {
                t: size + i for i, t in enumerate(rng.sample(self.tokens, rng.randrange(4)))}

    def write(self, directory: pathlib.Path) -> None:
        """Writes the files into an empty directory."""
        directory.mkdir()
        for name, content in self.files.items():
            (directory / name).write_text(json.dumps(content), "utf-8")

    def texts(self, rng: random.Random) -> list[str]:
        """Texts with all of the tokens, alone and among words."""
        joined = "".join(f"{rng.choice(['', ' ', 'a', ' the '])}{t}" for t in self.tokens)
        return ["", "a the fox", joined, " ".join(self.tokens), *self.tokens]


_REFUSAL = "with other flags; remove one of the two"


def load(directory: pathlib.Path):
    """The tokenizer of transformers, or what it says."""
    try:
        return transformers.AutoTokenizer.from_pretrained(str(directory)), ""
    except Exception as error:  # pylint: disable=broad-exception-caught
        return None, f"{type(error).__name__}: {error}"


def differences(binary: str, directory: pathlib.Path, theirs, texts: list[str]) -> list[str]:
    """What differs."""
    found = []
    with tokenize_client.Client(binary, str(directory)) as ours:
        for text in texts:
            for special in (False, True):
                want = theirs.encode(text, add_special_tokens=special)
                try:
                    got = ours.encode(text.encode(), special)
                except tokenize_client.Error as error:
                    return [f"refused: {error}"]
                if want != got:
                    found.append(f"{text!r}, special {special}: want {want}, got {got}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tokenize")
    parser.add_argument("testdata", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--shown", type=int, default=3)
    parser.add_argument("--only", type=int, default=None, help="the case of that number")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    failures = 0
    num_compared = 0
    num_refused = 0
    with tempfile.TemporaryDirectory() as work:
        for number in range(arguments.files):
            if arguments.only not in (None, number):
                continue
            rng = random.Random(number)
            name = rng.choice(["llama3_style", "smollm2_style", "llama2_style"])
            original = json.loads((arguments.testdata / name / "tokenizer.json").read_text("utf-8"))
            case = Case(rng, original)
            directory = pathlib.Path(work, str(number))
            case.write(directory)
            theirs, _ = load(directory)
            if theirs is None:
                continue
            found = differences(arguments.tokenize, directory, theirs, case.texts(rng))
            if found and _REFUSAL in found[0]:
                num_refused += 1
                continue
            num_compared += 1
            if not found:
                continue
            failures += 1
            if failures <= arguments.shown:
                shown = {n: c for n, c in case.files.items() if n != "tokenizer.json"}
                shown["tokenizer.json"] = {k: case.files["tokenizer.json"][k]
                                           for k in ("added_tokens", "post_processor")}
                print(f"case {number} ({name}):\n{json.dumps(shown, ensure_ascii=False)}")
                print("\n".join(f"  {line}" for line in found[:3]))
    print(f"transformers {transformers.__version__}: {num_compared} of {arguments.files} "
          f"drawn tokenizers compared, {num_refused} refused, {failures} differ")
    return 1 if failures or num_compared < arguments.files // 4 else 0


if __name__ == "__main__":
    sys.exit(main())
