"""Talks to the program //tools/text:tokenize."""

import array
import struct
import subprocess


class Error(Exception):
    """What the program answers instead of a result."""


class Client:
    """A tokenizer of ours, in a process of its own."""

    def __init__(self, binary: str, directory: str):
        self._process = subprocess.Popen(
            [binary, directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self._process.communicate()

    def _ask(self, request: bytes, item_size: int) -> bytes:
        try:
            self._process.stdin.write(request)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        head = self._process.stdout.read(5)
        if len(head) != 5:
            _, error = self._process.communicate()
            raise Error(error.decode(errors="replace") or f"status {self._process.returncode}")
        is_error, count = struct.unpack("<BI", head)
        data = self._process.stdout.read(count * (1 if is_error else item_size))
        if is_error:
            raise Error(data.decode())
        return data

    def encode(self, data: bytes, special: bool) -> list[int]:
        """The ids of any bytes."""
        request = b"e" + struct.pack("<BI", special, len(data)) + data
        return list(array.array("i", self._ask(request, 4)))

    def decode(self, ids: list[int], skip: bool) -> str:
        """The text of ids."""
        request = b"d" + struct.pack("<BI", skip, len(ids)) + array.array("i", ids).tobytes()
        return self._ask(request, 1).decode()

    def load(self, directory: str) -> list[int]:
        """The ids of "ab <s> ab" by the tokenizer of another directory."""
        data = directory.encode()
        request = b"l" + struct.pack("<I", len(data)) + data
        return list(array.array("i", self._ask(request, 4)))

    def time(self, data: bytes, rounds: int) -> list[float]:
        """Seconds of encoding the text, in each of so many rounds."""
        request = b"t" + struct.pack("<II", rounds, len(data)) + data
        return list(array.array("d", self._ask(request, 8)))
