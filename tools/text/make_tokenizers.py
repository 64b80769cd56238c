#!/usr/bin/env python3
"""Makes the tokenizers under testdata/tokenizers and their goldens.

    make_tokenizers.py --out testdata/tokenizers [--goldens_only]

Needs the tokenizers and sentencepiece packages of tools/python/requirements.txt.
The tokenizers are learnt from texts.training_lines; the goldens are what the
tokenizers package (for the tokenizer.model, the sentencepiece package) makes of
texts.golden_strings.
"""

import argparse
import io
import json
import pathlib

import sentencepiece
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

import texts

_NUM_LINES = 20000

_SMOLLM2_SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <repo_name> <file_sep> <filename>"
).split()


def _train(tokenizer, vocab_size, special=()):
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(texts.training_lines(_NUM_LINES), trainer)


def gpt2_style():
    """GPT-2's pipeline, and added tokens with every flag."""
    tokenizer = tokenizers.Tokenizer(
        models.BPE(continuing_subword_prefix="", end_of_word_suffix="")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    _train(tokenizer, 2000)
    tokenizer.add_special_tokens(
        [
            AddedToken("<|endoftext|>", normalized=True, special=True),
            AddedToken("<mask>", lstrip=True, normalized=False, special=True),
        ]
    )
    tokenizer.add_tokens(
        [
            AddedToken("<rs>", rstrip=True, normalized=False),
            AddedToken("word", single_word=True, normalized=True),
        ]
    )
    config = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return tokenizer, config


def llama3_style():
    """Llama 3's pipeline: its pattern, ignore_merges, a BOS from the template."""
    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(texts.LLAMA3_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, 2000)
    names = [
        "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
        "<|end_header_id|>", "<|eot_id|>",
    ]
    tokenizer.add_special_tokens(
        [AddedToken(n, normalized=False, special=True) for n in names]
    )
    bos = names[0]
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{bos}:0 $A:0",
                pair=f"{bos}:0 $A:0 {bos}:1 $B:1",
                special_tokens=[(bos, tokenizer.token_to_id(bos))],
            ),
        ]
    )
    return tokenizer, {"bos_token": bos, "eos_token": {"content": "<|eot_id|>"}}


def smollm2_style():
    """SmolLM2's pipeline: single digits, then GPT-2's; special tokens first."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _train(tokenizer, 2000, special=_SMOLLM2_SPECIAL)
    return tokenizer, {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}


def sentencepiece_model() -> bytes:
    """A BPE model with byte fallback, as Llama's."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts.training_lines(_NUM_LINES)),
        model_writer=out,
        model_type="bpe",
        vocab_size=2000,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        character_coverage=0.995,
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()


def llama2_style(model: bytes):
    """The tokenizer.json of a tokenizer.model, of the type that Llama 2 has."""
    sp = sentencepiece.SentencePieceProcessor(model_proto=model)
    pieces = [sp.id_to_piece(i) for i in range(sp.get_piece_size())]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    # A merge for every way to make a learnt piece of two; those of the piece that
    # was learnt first come first, as the library joins them.
    merges = []
    for piece in sorted(pieces, key=lambda p: -sp.get_score(vocab[p])):
        if sp.is_byte(vocab[piece]) or sp.is_control(vocab[piece]):
            continue
        splits = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        splits = [s for s in splits if s[0] in vocab and s[1] in vocab]
        merges += sorted(splits, key=lambda s: (vocab[s[0]], vocab[s[1]]))
    tokenizer = tokenizers.Tokenizer(
        models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0",
        pair="<s>:0 $A:0 <s>:1 $B:1",
        special_tokens=[("<s>", vocab["<s>"])],
    )
    tokenizer.add_special_tokens(
        [AddedToken(n, normalized=False, special=True) for n in ("<unk>", "<s>", "</s>")]
    )
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def _text_of(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def _entry(data: bytes, ids, ids_special, decode) -> dict:
    """One golden: what went in, the ids, and what they decode to."""
    try:
        entry = {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        entry = {"hex": data.hex()}
    entry |= {"ids": ids, "decoded": decode(ids_special, False)}
    skipped = decode(ids_special, True)
    if ids_special != ids:
        entry["ids_special"] = ids_special
    if skipped != entry["decoded"]:
        entry["decoded_skipped"] = skipped
    return entry


def goldens_of_json(path: pathlib.Path) -> list[dict]:
    """What the tokenizers package makes of the golden strings."""
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    entries = []
    for data in texts.golden_strings():
        text = _text_of(data)
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        special = tokenizer.encode(text, add_special_tokens=True).ids
        entries.append(
            _entry(
                data, plain, special,
                lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip),
            )
        )
    return entries


def goldens_of_model(path: pathlib.Path) -> list[dict]:
    """What the sentencepiece package makes of those without special tokens."""
    sp = sentencepiece.SentencePieceProcessor(model_file=str(path))
    names = ("<s>", "</s>", "<unk>")
    entries = []
    for data in texts.golden_strings():
        text = _text_of(data)
        if any(name in text for name in names):
            continue
        ids = sp.encode(text)
        entries.append(_entry(data, ids, ids, lambda ids, skip: sp.decode(ids)))
    return entries


def _write_json(path: pathlib.Path, value) -> None:
    lines = ",\n".join(json.dumps(v, ensure_ascii=False) for v in value)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="")


def make_tokenizers(out: pathlib.Path) -> None:
    """Writes the directories with the tokenizers."""
    model = sentencepiece_model()
    made = {
        "gpt2_style": gpt2_style(),
        "llama3_style": llama3_style(),
        "smollm2_style": smollm2_style(),
        "llama2_style": llama2_style(model),
    }
    for name, (tokenizer, config) in made.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        tokenizer.save(str(out / name / "tokenizer.json"), pretty=False)
        (out / name / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "sentencepiece").mkdir(parents=True, exist_ok=True)
    (out / "sentencepiece" / "tokenizer.model").write_bytes(model)
    (out / "sentencepiece" / "tokenizer_config.json").write_text(
        json.dumps({"add_bos_token": True, "add_eos_token": False}, indent=2) + "\n"
    )


def make_goldens(out: pathlib.Path) -> None:
    """Writes goldens/NAME.json."""
    (out / "goldens").mkdir(parents=True, exist_ok=True)
    for name in ("gpt2_style", "llama3_style", "smollm2_style", "llama2_style"):
        _write_json(out / "goldens" / f"{name}.json", goldens_of_json(out / name / "tokenizer.json"))
    _write_json(
        out / "goldens" / "sentencepiece.json",
        goldens_of_model(out / "sentencepiece" / "tokenizer.model"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--goldens_only", action="store_true")
    arguments = parser.parse_args()
    if not arguments.goldens_only:
        make_tokenizers(arguments.out)
    make_goldens(arguments.out)


if __name__ == "__main__":
    main()
