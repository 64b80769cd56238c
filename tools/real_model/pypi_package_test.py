"""Tests of pypi_package.py: its cache directory, and what it takes for the package."""

import hashlib
import os
import pathlib
import tempfile
import unittest
from unittest import mock

import pypi_package


class DefaultCacheTest(unittest.TestCase):
    def _cache(self, **environment: str) -> str:
        with mock.patch.dict(os.environ, environment, clear=True):
            return str(pypi_package.default_cache())

    def test_is_that_of_the_shell_scripts(self) -> None:
        self.assertEqual(self._cache(HOME="/h"), "/h/.cache/llama_moe")
        self.assertEqual(
            self._cache(HOME="/h", XDG_CACHE_HOME="/x"), "/x/llama_moe"
        )
        self.assertEqual(
            self._cache(HOME="/h", XDG_CACHE_HOME="/x", MOE_CACHE_DIR="/m"), "/m"
        )


class FetchTest(unittest.TestCase):
    """With a pip that stands in for the real one."""

    def setUp(self) -> None:
        temp = tempfile.TemporaryDirectory()
        self.addCleanup(temp.cleanup)
        self.cache = pathlib.Path(temp.name, "cache")
        self.package = pypi_package.Package(
            requirement="some==1",
            file="some-1.tar.gz",
            sha256=hashlib.sha256(b"right").hexdigest(),
            megabytes=1,
            is_source=True,
        )
        self.commands: list[list[str]] = []

    def _fetch(self, files: dict[str, bytes], status: int = 0, errors: str = "") -> bytes:
        def run(command: list[str], **_: object) -> mock.Mock:
            self.commands.append(command)
            directory = pathlib.Path(command[command.index("--dest") + 1])
            for name, data in files.items():
                (directory / name).write_bytes(data)
            return mock.Mock(returncode=status, stderr=errors)

        with mock.patch.object(pypi_package.subprocess, "run", run):
            path = pypi_package.fetch(self.package, self.cache, lambda text: None)
        return path.read_bytes()

    def test_downloads_once(self) -> None:
        for _ in range(2):
            self.assertEqual(self._fetch({"some-1.tar.gz": b"right"}), b"right")
        self.assertEqual(len(self.commands), 1)
        self.assertIn("--no-binary", self.commands[0])
        self.assertEqual(self.commands[0][-1], "some==1")

    def test_what_is_broken_in_the_cache_is_fetched_again(self) -> None:
        self.cache.mkdir()
        (self.cache / "some-1.tar.gz").write_bytes(b"half")
        self.assertEqual(self._fetch({"some-1.tar.gz": b"right"}), b"right")

    def test_another_package_is_refused_and_not_kept(self) -> None:
        with self.assertRaisesRegex(pypi_package.FetchError, "not the pinned package"):
            self._fetch({"some-1.tar.gz": b"wrong"})
        with self.assertRaisesRegex(pypi_package.FetchError, "without a some-1.tar.gz"):
            self._fetch({"some-1.whl": b"right"})
        self.assertEqual(list(self.cache.iterdir()), [])

    def test_errors_of_pip_are_told(self) -> None:
        with self.assertRaisesRegex(pypi_package.FetchError, "some==1: no network"):
            self._fetch({}, 1, "a warning\nno network\n")


if __name__ == "__main__":
    unittest.main()
