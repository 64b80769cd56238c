"""Copies a shared library, with what it bundles of other libraries made private.

  private_symbols.py LIBRARY SONAME FOLDER

and prints the copy's name.

Debian 12 builds SentencePiece with a copy of an older Protocol Buffers and of parts
of Abseil, and exports their symbols beside its own. In a program that uses the real
Protocol Buffers too (LibTorch does), each of the two would call into the other, and
the program ends before or soon after it starts. Symbols that are hidden in the
library's dynamic symbol table bind within the library and are seen by nobody else,
in whatever order libraries are loaded. The copy is called otherwise than the
original, which a program that was moved away from the copy would else find instead.

A library that is linked with the system's Protocol Buffers is copied as it is.
"""

import os
import struct
import sys

_PRIVATE = (b"6google8protobuf", b"N4absl", b"K4absl")
_DYNAMIC_SYMBOLS = 11  # SHT_DYNSYM
_HIDDEN = 2  # STV_HIDDEN
_SYMBOL_BYTES = 24


def _sections(data: bytes) -> list[tuple[int, ...]]:
    """The section headers of a 64-bit little-endian ELF file."""
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError("not a 64-bit little-endian ELF file")
    (offset,) = struct.unpack_from("<Q", data, 40)
    entry_bytes, count = struct.unpack_from("<HH", data, 58)
    return [
        struct.unpack_from("<IIQQQQIIQQ", data, offset + entry_bytes * i)
        for i in range(count)
    ]


def hide(library: bytes) -> bytes:
    """The library with the symbols of _PRIVATE hidden."""
    data = bytearray(library)
    sections = _sections(library)
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != _DYNAMIC_SYMBOLS:
            continue
        names = sections[link][4]
        for symbol in range(offset, offset + size, _SYMBOL_BYTES):
            name, _, other, section = struct.unpack_from("<IBBH", data, symbol)
            end = library.index(b"\0", names + name)
            text = library[names + name : end]
            if section != 0 and any(part in text for part in _PRIVATE):
                data[symbol + 5] = (other & ~3) | _HIDDEN
    return bytes(data)


def rename(library: bytes, name: str) -> tuple[bytes, str]:
    """The library under another name, which is not longer, and that name."""
    renamed = name.partition(".so")[0] + "_.so"
    old = b"\0" + name.encode() + b"\0"
    if library.count(old) != 1 or len(renamed) > len(name):
        raise ValueError(f"expected the name {name} once in the library's strings")
    new = b"\0" + renamed.encode() + b"\0"
    return library.replace(old, new.ljust(len(old), b"\0")), renamed


def main() -> None:
    source, name, folder = sys.argv[1:]
    with open(source, "rb") as file:
        library = file.read()
    if b"\0libprotobuf" not in library:
        library, name = rename(hide(library), name)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(library)
    print(name)


if __name__ == "__main__":
    main()
