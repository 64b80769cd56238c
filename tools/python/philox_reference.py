"""The random streams of moe/base/philox.h, computed a second time.

Straight from the definition in the header, in Python integers, to pin the words
in philox_test.cc. Prints the first words of a stream:

    python3 tools/python/philox_reference.py SEED NAME [COUNT]
"""

import hashlib
import struct
import sys

_MASK = 0xFFFFFFFF


def philox4x32(counter: list[int], key: list[int]) -> list[int]:
    """Ten rounds of Philox4x32 (Salmon et al., SC'11, section 4.3)."""
    c, k = list(counter), list(key)
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 1 << 32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 1 << 32)
        c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) & _MASK, (k[1] + 0xBB67AE85) & _MASK]
    return c


def stream(seed: int, name: str, count: int) -> list[int]:
    """The first `count` 32-bit words of the stream."""
    digest = hashlib.sha256(struct.pack("<Q", seed) + name.encode()).digest()
    key0, key1, high0, high1 = struct.unpack("<4I", digest[:16])
    words: list[int] = []
    block = 0
    while len(words) < count:
        counter = [block & _MASK, block >> 32, high0, high1]
        words += philox4x32(counter, [key0, key1])
        block += 1
    return words[:count]


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    count = int(sys.argv[3]) if len(sys.argv) == 4 else 8
    for word in stream(int(sys.argv[1]), sys.argv[2], count):
        print(f"0x{word:08x}")


if __name__ == "__main__":
    main()
