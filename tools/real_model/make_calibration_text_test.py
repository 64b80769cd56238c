"""Tests of make_calibration_text.py: how it cuts texts, and which go to which file."""

import dataclasses
import hashlib
import io
import json
import pathlib
import tarfile
import tempfile
import unittest
from unittest import mock

import make_calibration_text
import pypi_package

_PACKAGE = pypi_package.Package("d==1", "d-1.tar.gz", "", 1)
_SOURCE = make_calibration_text.Source(
    "D", "free", _PACKAGE, r"docs/.*\.txt", make_calibration_text.beginning
)
_OTHER = dataclasses.replace(_SOURCE, title="E")


def _archive(files: dict[str, str]) -> tarfile.TarFile:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


def _output(file: str, *parts: make_calibration_text.Part) -> make_calibration_text.Output:
    return make_calibration_text.Output(file, "", parts)


class CutTest(unittest.TestCase):
    def test_a_chapter_gives_its_beginning_if_it_is_long_enough(self) -> None:
        self.assertEqual(make_calibration_text.beginning("é" * 4001), ["é" * 4000])
        self.assertEqual(make_calibration_text.beginning("s" * 3999), [])

    def test_a_book_gives_passages_that_start_with_paragraphs(self) -> None:
        book = [
            "Foreword\n",
            "I\n\n" + "a" * 3990 + "\n" + "b" * 100,  # 6 of the b are in the passage
            "c" * 3998,  # 4000 with the line's end and the empty line
            "d",  # the rest of the paragraph
            "e" * 4000,
            "f" * 3900,  # a rest that is too short
            "END\n" + "g" * 4000,
        ]
        for newline in ("\n", "\r\n"):
            text = "\n\n".join(book).replace("\n", newline)
            self.assertEqual(
                make_calibration_text.passages(text, first="I\n", end="END"),
                ["I\n\n" + "a" * 3990 + "\n" + "b" * 6, "c" * 3998 + "\n\n", "e" * 4000],
            )


class ArchiveTest(unittest.TestCase):
    def test_texts_come_in_the_order_of_paths_and_from_members_only(self) -> None:
        archive = _archive(
            {
                "d-1/docs/http/views.txt": "v" * 4000,
                "d-1/docs/forms.txt": "f" * 4000,
                "d-1/docs/figure.png": "p" * 4000,
                "d-1/d/docs/words.txt": "w" * 4000,
            }
        )
        texts = make_calibration_text.texts_of(_SOURCE, archive)
        self.assertEqual([text[0] for text in texts], ["f", "v"])

    def test_chapters_of_django_are_in_five_folders(self) -> None:
        django = make_calibration_text.OUTPUTS[0].parts[0].source
        archive = _archive(
            {
                "d-1/docs/topics/http/views.txt": "v" * 4000,
                "d-1/docs/topics/short.txt": "s" * 3999,
                "d-1/docs/releases/1.0.txt": "r" * 4000,
                "d-1/docs/faq/admin.txt": "a" * 4000,
                "d-1/django/topics/words.txt": "w" * 4000,
            }
        )
        texts = make_calibration_text.texts_of(django, archive)
        self.assertEqual([text[0] for text in texts], ["a", "v"])

    def test_the_licence_is_wanted(self) -> None:
        for name in ("LICENSE", "COPYING"):
            archive = _archive({f"d-1/{name}": "free", "d-1/docs/LICENSE": "other"})
            self.assertEqual(make_calibration_text.licence_of(_PACKAGE, archive), b"free")
        with self.assertRaisesRegex(pypi_package.FetchError, "d-1.tar.gz has no .LICENSE"):
            make_calibration_text.licence_of(_PACKAGE, _archive({}))


class TextsOfOutputTest(unittest.TestCase):
    def test_every_sixth_text_is_held_out(self) -> None:
        texts = list("abcdefghijklmn")
        self.assertEqual(make_calibration_text.held_out(texts), ["f", "l"])
        self.assertEqual(make_calibration_text.not_held_out(texts), list("abcdeghijkmn"))

    def test_parts_are_spread_evenly_and_follow_each_other(self) -> None:
        output = _output(
            "mixed.jsonl",
            make_calibration_text.Part(_SOURCE, make_calibration_text.not_held_out, 3),
            make_calibration_text.Part(_OTHER, count=3),
        )
        # Numbers 0, 2 and 4 of the 7 not held out; numbers 0, 1 and 2 of the others.
        texts = {_SOURCE: list("abcdefgh"), _OTHER: list("xyz")}
        self.assertEqual(
            make_calibration_text.texts_of_output(output, texts), list("acexyz")
        )

    def test_too_few_texts_are_refused(self) -> None:
        output = _output("other.jsonl", make_calibration_text.Part(_SOURCE, count=3))
        with self.assertRaisesRegex(pypi_package.FetchError, "D: expected 3 texts, found 2"):
            make_calibration_text.texts_of_output(output, {_SOURCE: ["a", "b"]})


class OutputsTest(unittest.TestCase):
    def test_no_text_is_in_a_calibration_file_and_a_held_out_one(self) -> None:
        sources = {part.source for out in make_calibration_text.OUTPUTS for part in out.parts}
        texts = {source: [f"{source.title} {i}" for i in range(112)] for source in sources}
        texts_of = {
            output.file: make_calibration_text.texts_of_output(output, texts)
            for output in make_calibration_text.OUTPUTS
        }
        self.assertEqual(
            {file: len(set(found)) for file, found in texts_of.items()},
            {
                "calibration.jsonl": 94,
                "held_out.jsonl": 18,
                "calibration_mixed.jsonl": 64,
                "held_out_manual.jsonl": 18,
                "held_out_other.jsonl": 18,
            },
        )
        calibration = {*texts_of["calibration.jsonl"], *texts_of["calibration_mixed.jsonl"]}
        held_out = {
            text
            for file, found in texts_of.items()
            if file.startswith("held_out")
            for text in found
        }
        self.assertEqual(calibration & held_out, set())
        self.assertEqual(len(calibration), 94 + 16)


class MakeTest(unittest.TestCase):
    def setUp(self) -> None:
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self._temp = pathlib.Path(temp.name)
        archive = _archive({"d-1/LICENSE": "free", "d-1/docs/a.txt": "a" * 4000})
        source = self._temp / "source.tar"
        source.write_bytes(archive.fileobj.getvalue())
        self._set(pypi_package, "fetch", lambda *_: source)

    def _set(self, target: object, name: str, value: object) -> None:
        patch = mock.patch.object(target, name, value)
        patch.start()
        self.addCleanup(patch.stop)

    def _set_output(self, sha256: str) -> None:
        part = make_calibration_text.Part(_SOURCE)
        output = make_calibration_text.Output("a.jsonl", sha256, (part,))
        self._set(make_calibration_text, "OUTPUTS", (output,))

    def test_writes_texts_with_their_sources_and_licences(self) -> None:
        text = json.dumps({"text": "a" * 4000}) + "\n"
        self._set_output(hashlib.sha256(text.encode()).hexdigest())
        target = self._temp / "text"
        make_calibration_text.make(target, self._temp)
        self.assertEqual(
            {path.name: path.read_text() for path in target.iterdir()},
            {"a.jsonl": text, "LICENSE.d": "free", "SOURCES": "D: free; from d-1.tar.gz\n"},
        )
        with self.assertRaisesRegex(pypi_package.FetchError, "exists"):
            make_calibration_text.make(target, self._temp)

    def test_writes_nothing_where_the_text_is_another(self) -> None:
        self._set_output("0" * 64)
        with self.assertRaisesRegex(pypi_package.FetchError, "not the pinned text"):
            make_calibration_text.make(self._temp / "text", self._temp)
        self.assertEqual([path.name for path in self._temp.iterdir()], ["source.tar"])


if __name__ == "__main__":
    unittest.main()
