"""Larger texts to compare and measure tokenizers over, found on this machine.

English is the text of Debian's documentation packages (debian-reference-en and
debian-faq, which `apt-get install` brings; GPL) and of its licences; source code is
Python's standard library and the headers in /usr/include. None of it is stored.
"""

import gzip
import html
import pathlib
import re

_ENGLISH = [
    "/usr/share/debian-reference/debian-reference.en.txt.gz",
    "/usr/share/doc/debian/FAQ/debian-faq.en.txt.gz",
    "/usr/share/common-licenses",
]
_PAGES = ["/usr/share/debian-reference", "/usr/share/doc/debian/FAQ"]
_CODE = ["/usr/lib/python3", "/usr/lib/python3.11", "/usr/lib/python3.13", "/usr/include"]


def _read(path: pathlib.Path) -> str:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = data.decode("utf-8", errors="replace")
    if ".html" in path.name:
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    return text


def _files(root: str, patterns: tuple[str, ...]) -> list[pathlib.Path]:
    path = pathlib.Path(root)
    if path.is_file():
        return [path]
    return sorted(p for pattern in patterns for p in path.glob(pattern) if p.is_file())


def _collect(files: list[pathlib.Path], num_bytes: int) -> str:
    """The files' texts one after the other, from the start again where they end."""
    parts, size = [], 0
    while size < num_bytes and files:
        before = size
        for path in files:
            parts.append(_read(path))
            size += len(parts[-1].encode())
            if size >= num_bytes:
                break
        if size == before:
            break
    data = "".join(parts).encode()[:num_bytes]
    return data.decode("utf-8", errors="ignore")


def english(num_bytes: int) -> str:
    """English prose; empty where the machine has none."""
    files = [f for root in _ENGLISH for f in _files(root, ("*",))]
    files += [f for root in _PAGES for f in _files(root, ("*.en.html*",))]
    return _collect(files, num_bytes)


def source_code(num_bytes: int) -> str:
    """Python and C; empty where the machine has none."""
    files = [f for root in _CODE for f in _files(root, ("*.py", "*.h"))]
    return _collect(files, num_bytes)
