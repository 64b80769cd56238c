"""Makes texts to calibrate and evaluate a real model on.

They are cut out of source packages on PyPI, each of one version and checked against a
digest, so that they are the same texts on every machine and in every year. Nothing of
them is stored in this repository. The sources:

  * Django's documentation (topics, how-to guides, introduction, FAQ, internals;
    BSD-3-Clause): the beginning of each chapter, English prose with some code. Every
    sixth chapter is held out.
  * "Alice's Adventures in Wonderland" (public domain), a story: passages from one end
    to the other. It is among the test data of Brotli (MIT), as are the proceedings below.
  * Mercurial's help (GPL-2.0-or-later), the manual of a program: the beginning of each
    topic.
  * The proceedings of a workshop of the Library of Congress on electronic texts, 1992
    (public domain): passages of its summaries of talks and discussions by librarians and
    scholars, without the appendices.

Writes to DIR files of JSON lines, {"text": ...} each; a text has 4000 characters:

  calibration.jsonl        94 of Django
  held_out.jsonl           18 of Django, which are in no other file
  calibration_mixed.jsonl  64: 48 of calibration.jsonl and 16 of Alice
  held_out_manual.jsonl    18 of Mercurial, a domain that no calibration text is of
  held_out_other.jsonl     18 of the workshop, another one

Where a file has m of a source's n texts, they are evenly spread: numbers i * n / m,
rounded down.

Beside them it writes SOURCES, which says where the texts are from and on what terms, and
the licence of each package.

Usage:
  make_calibration_text.py DIR [--cache_dir CACHE]      # Python 3.10 or later, with pip
"""

import argparse
import dataclasses
import functools
import json
import pathlib
import re
import sys
import tarfile
import tempfile
from typing import Callable, Sequence

import pypi_package
from pypi_package import FetchError, Package, require_digest

# These are more than 512 tokens of any LLaMA's tokenizer.
_NUM_CHARS = 4000
_HELD_OUT_EVERY = 6
_LICENCE = "(LICENSE|COPYING)"  # the pattern of its file in a package
# A passage, and the rest of the paragraph that it ends in.
_PASSAGE = re.compile(r"(.{%d}).*?(?:\n\n+|\Z)" % _NUM_CHARS, re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Source:
    """Files of a package that texts are cut out of."""

    title: str
    terms: str
    package: Package
    members: str  # the pattern of the files' paths in the package
    cut: Callable[[str], list[str]]  # returns the texts of a file


@dataclasses.dataclass(frozen=True)
class Part:
    """Texts of a source for an output."""

    source: Source
    pick: Callable[[list[str]], list[str]] = list
    count: int | None = None  # takes so many of those, evenly spread; None takes all


@dataclasses.dataclass(frozen=True)
class Output:
    """A file to write: the texts of its parts, one part after the other."""

    file: str
    sha256: str
    parts: tuple[Part, ...]


def beginning(text: str) -> list[str]:
    """Cuts a chapter: its beginning, or nothing if it is too short."""
    return [text[:_NUM_CHARS]] if len(text) >= _NUM_CHARS else []


def passages(text: str, first: str, end: str) -> list[str]:
    """Cuts a book, from its line `first` on and before its line `end`.

    Passages follow each other; each starts with a paragraph.
    """
    text = text.replace("\r\n", "\n")
    return _PASSAGE.findall(text[text.index(first) : text.index(end)])


def held_out(texts: list[str]) -> list[str]:
    return texts[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY]


def not_held_out(texts: list[str]) -> list[str]:
    return [t for i, t in enumerate(texts) if i % _HELD_OUT_EVERY != _HELD_OUT_EVERY - 1]


_DJANGO = Source(
    title="Django's documentation",
    terms="BSD-3-Clause",
    package=Package(
        requirement="Django==5.2.8",
        file="django-5.2.8.tar.gz",
        sha256="23254866a5bb9a2cfa6004e8b809ec6246eba4b58a7589bc2772f1bcc8456c7f",
        megabytes=11,
        is_source=True,
    ),
    members=r"docs/(topics|howto|intro|faq|internals)/.*\.txt",
    cut=beginning,
)
_MERCURIAL = Source(
    title="Mercurial's help",
    terms="GPL-2.0-or-later",
    package=Package(
        requirement="mercurial==6.8",
        file="mercurial-6.8.tar.gz",
        sha256="08e4d0e5da8af1132b51e6bc3350180ad57adcd935f097b6d0bc119a2c2c0a10",
        megabytes=8,
        is_source=True,
    ),
    members=r"mercurial/helptext/.*\.txt",
    cut=beginning,
)
_BROTLI = Package(
    requirement="Brotli==1.1.0",
    file="Brotli-1.1.0.tar.gz",
    sha256="81de08ac11bcb85841e440c13611c00b67d3bf82698314928d0b676362546724",
    megabytes=7,
    is_source=True,
)
_ALICE = Source(
    title="Lewis Carroll, Alice's Adventures in Wonderland (1865)",
    terms="public domain",
    package=_BROTLI,
    members=r"tests/testdata/alice29\.txt",
    cut=functools.partial(passages, first="CHAPTER I\n", end="THE END"),
)
_WORKSHOP = Source(
    title="Library of Congress, Workshop on Electronic Texts: Proceedings (1992)",
    terms="public domain, a work of the United States Government",
    package=_BROTLI,
    members=r"tests/testdata/lcet10\.txt",
    cut=functools.partial(passages, first="INTRODUCTION\n", end="Appendix I:  PROGRAM"),
)

OUTPUTS = (
    Output(
        file="calibration.jsonl",
        sha256="7f2fa1b5d91e87184379b190a75fec7fa853ba3233c8247f9fadd0d1990ae92d",
        parts=(Part(_DJANGO, not_held_out),),
    ),
    Output(
        file="held_out.jsonl",
        sha256="8f05251a88fe5b1414fa1a1b73d71356edff7629f5549b11546fff65f4effbb3",
        parts=(Part(_DJANGO, held_out),),
    ),
    Output(
        file="calibration_mixed.jsonl",
        sha256="b0a44b4b1a20e796d5188d86cd85d01035049a4a2d8621cb99ddac15ea2458f2",
        parts=(Part(_DJANGO, not_held_out, 48), Part(_ALICE, count=16)),
    ),
    Output(
        file="held_out_manual.jsonl",
        sha256="06a8c26773e4feaa81927037389a11a3acc74428d747a46c0a9562a01fc6a73b",
        parts=(Part(_MERCURIAL, count=18),),
    ),
    Output(
        file="held_out_other.jsonl",
        sha256="10666bcec8164d09f124a6897322dfe458a2e7a70d86d85bbe560eb9106a465d",
        parts=(Part(_WORKSHOP, count=18),),
    ),
)


def _say(text: str) -> None:
    print(f"make_calibration_text: {text}", flush=True)


def _files_of(archive: tarfile.TarFile, pattern: str) -> list[bytes]:
    """Returns the files whose paths match the pattern, in the order of their paths."""
    members = sorted(
        (member.name, member)
        for member in archive
        if re.fullmatch("[^/]+/" + pattern, member.name)
    )
    return [archive.extractfile(member).read() for _, member in members]


def texts_of(source: Source, archive: tarfile.TarFile) -> list[str]:
    """Returns the texts of a source, in the order of its files' paths."""
    files = _files_of(archive, source.members)
    return [text for file in files for text in source.cut(file.decode("utf-8"))]


def licence_of(package: Package, archive: tarfile.TarFile) -> bytes:
    files = _files_of(archive, _LICENCE)
    if not files:
        raise FetchError(f"{package.file} has no {_LICENCE}")
    return files[0]


def _texts_of_part(part: Part, texts: list[str]) -> list[str]:
    picked = part.pick(texts)
    if part.count is None:
        return picked
    if len(picked) < part.count:
        raise FetchError(f"{part.source.title}: expected {part.count} texts, found {len(picked)}")
    return [picked[i * len(picked) // part.count] for i in range(part.count)]


def texts_of_output(output: Output, texts: dict[Source, list[str]]) -> list[str]:
    """Returns the texts of an output, given all texts of the sources."""
    return [text for part in output.parts for text in _texts_of_part(part, texts[part.source])]


def _json_lines(texts: list[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def _sources_file(sources: Sequence[Source]) -> bytes:
    return "".join(f"{s.title}: {s.terms}; from {s.package.file}\n" for s in sources).encode()


def _files(cache: pathlib.Path) -> dict[str, bytes]:
    """Returns the files to write, by their names."""
    sources = list(dict.fromkeys(part.source for output in OUTPUTS for part in output.parts))
    files = {"SOURCES": _sources_file(sources)}
    texts = {}
    for package in dict.fromkeys(source.package for source in sources):
        with tarfile.open(pypi_package.fetch(package, cache, _say)) as archive:
            name = package.requirement.partition("==")[0]
            files[f"LICENSE.{name}"] = licence_of(package, archive)
            for source in sources:
                if source.package == package:
                    texts[source] = texts_of(source, archive)
    for output in OUTPUTS:
        files[output.file] = _json_lines(texts_of_output(output, texts))
    return files


def make(target: pathlib.Path, cache: pathlib.Path) -> None:
    """Writes the files to `target`, or raises and leaves nothing."""
    if target.exists():
        raise FetchError(f"{target} exists: remove it, or name another DIR")
    if not target.parent.is_dir():
        raise FetchError(f"{target.parent} is not a directory: create it, or name another DIR")
    files = _files(cache)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temp:
        built = pathlib.Path(temp) / "text"
        built.mkdir()
        for name, data in files.items():
            (built / name).write_bytes(data)
        for output in OUTPUTS:
            require_digest(built / output.file, output.sha256, "not the pinned text")
        built.rename(target)


def main(argv: Sequence[str]) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", metavar="DIR", type=pathlib.Path)
    parser.add_argument(
        "--cache_dir",
        type=pathlib.Path,
        default=pypi_package.default_cache(),
        help="keeps the downloaded packages, default %(default)s",
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
