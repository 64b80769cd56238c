"""The Python side of //tools/tests:checkpoints_interop_test.

  checkpoints_interop.py make FIXTURES OUT    checkpoints as people have them, below OUT
  checkpoints_interop.py tokenizer A B        the tokenizers of two checkpoints, with their
                                              code, give the same ids and have the same
                                              chat templates

Every checkpoint of `make` computes what the fixture does that it was made from. Needs
safetensors, torch and transformers.
"""

import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable

import safetensors.torch
import torch

Tensors = dict[str, torch.Tensor]

_TEXTS = ["Once upon a time there was a fox.", "The red ball, 42 of them.", "\u00e9\u4e2d"]
_TOKENIZER = """from transformers import PreTrainedTokenizerFast
from .fox_units import CLASS_NAME


class FoxTokenizer(PreTrainedTokenizerFast):
    pass
"""


def _copy(fixture: pathlib.Path, to: pathlib.Path) -> pathlib.Path:
    to.mkdir(parents=True)
    for file in fixture.iterdir():
        shutil.copyfile(file, to / file.name)
    return to


def _change(path: pathlib.Path, change: Callable[[dict], None]) -> None:
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document, indent=2), "utf-8")


def _change_tensors(path: pathlib.Path, change: Callable[[Tensors], Tensors]) -> None:
    tensors = change(safetensors.torch.load_file(path))
    safetensors.torch.save_file(tensors, path, metadata={"format": "pt"})


def _tied_copy(model: pathlib.Path) -> None:
    """The head's copy lies in the embedding's shard."""
    index_path = model / "model.safetensors.index.json"
    embedding = "model.embed_tokens.weight"
    shard = json.loads(index_path.read_text("utf-8"))["weight_map"][embedding]
    _change_tensors(
        model / shard, lambda old: old | {"lm_head.weight": old[embedding].clone()}
    )
    _change(index_path, lambda index: index["weight_map"].update({"lm_head.weight": shard}))


def _renamed(model: pathlib.Path, rename: Callable[[str], str]) -> None:
    _change_tensors(
        model / "model.safetensors",
        lambda old: {rename(name): tensor for name, tensor in old.items()},
    )


def _buffers(model: pathlib.Path) -> None:
    mask = torch.full((1, 1, 8, 8), float("-inf")).triu(1)
    buffers = {
        "model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4),
        "model.rotary_emb.cos_cached": torch.ones(8, 4),
        "model.causal_mask": mask,
        "model.layers.1.self_attn.bias": torch.ones(8, 8, dtype=torch.uint8),
    }
    _change_tensors(model / "model.safetensors", lambda old: old | buffers)


def _quantization(model: pathlib.Path) -> None:
    field = {"quant_method": "bitsandbytes", "load_in_4bit": True}
    _change(model / "config.json", lambda config: config.update(quantization_config=field))


def _tokenizer_code(model: pathlib.Path) -> None:
    auto_map = {"AutoTokenizer": [None, "tokenization_fox.FoxTokenizer"]}
    (model / "tokenization_fox.py").write_text(_TOKENIZER, "utf-8")
    (model / "fox_units.py").write_text('CLASS_NAME = "Fox"\n', "utf-8")
    (model / "README.md").write_text("A fox.\n", "utf-8")
    (model / "additional_chat_templates").mkdir()
    (model / "additional_chat_templates" / "rag.jinja").write_text("{{ bos_token }}", "utf-8")
    _change(
        model / "tokenizer_config.json",
        lambda config: config.update(tokenizer_class="FoxTokenizer", auto_map=auto_map),
    )


def _hub_cache(model: pathlib.Path, hub: pathlib.Path) -> None:
    folder = hub / "models--acme--Fox"
    snapshot = folder / "snapshots" / "0123abcd"
    for made in (snapshot, folder / "blobs", folder / "refs"):
        made.mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd", "utf-8")
    for number, file in enumerate(sorted(model.iterdir())):
        blob = f"{number:040x}"
        shutil.copyfile(file, folder / "blobs" / blob)
        os.symlink(f"../../blobs/{blob}", snapshot / file.name)


def make(fixtures: pathlib.Path, out: pathlib.Path) -> None:
    plain = fixtures / "llama_gqa_bf16"
    _tied_copy(_copy(fixtures / "llama_mha_f32_sharded", out / "tied_copy"))
    for wrapper in ("module.", "base_model.model."):
        model = _copy(plain, out / f"prefix_{wrapper}")
        _renamed(model, lambda name, wrapper=wrapper: wrapper + name)
    _renamed(_copy(plain, out / "no_model"), lambda name: name.removeprefix("model."))
    _buffers(_copy(plain, out / "buffers"))
    _quantization(_copy(plain, out / "quantization_config"))
    _tokenizer_code(_copy(plain, out / "tokenizer_code"))
    _hub_cache(plain, out / "hub")


def compare_tokenizers(a: str, b: str) -> None:
    from transformers import AutoTokenizer

    one, other = (
        AutoTokenizer.from_pretrained(path, trust_remote_code=True) for path in (a, b)
    )
    classes = {type(one).__name__, type(other).__name__}
    assert len(classes) == 1, classes
    assert one.chat_template == other.chat_template, other.chat_template
    assert set(one.chat_template) == {"default", "rag"}, one.chat_template
    for text in _TEXTS:
        assert one(text).input_ids == other(text).input_ids, text
    print(f"{b}: {classes.pop()} gives the ids of {a}")


def main() -> None:
    command, first, second = sys.argv[1:]
    if command == "make":
        make(pathlib.Path(first), pathlib.Path(second))
    else:
        compare_tokenizers(first, second)


if __name__ == "__main__":
    main()
