"""Strings and texts that tokenizers are trained on and compared over.

All of it is written here or drawn from a seeded generator: nothing is taken from
elsewhere.
"""

import random
import unicodedata
from collections.abc import Iterator

# The pattern that splits text into words before BPE, as Llama 3 defines it.
LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_SYLLABLES = {
    "latin": "ka lo mi ter shan bre qui nor al est in der ous ple ment ing er re th an"
    " st on en at or is it ed es al ar nd le ou se".split(),
    "cyrillic": "ка ло ми тер ше бре но ал ест ин дер ость ни ый ов".split(),
    "greek": "κα λο μι τερ σαν βρε νο αλ ος ιν ας".split(),
    "arabic": "كا لو مي تر شا بر نو ال است".split(),
    "devanagari": "का लो मि तर शन बर नो".split(),
    "han": "天 地 人 日 月 水 火 山 川 中 国 学 生 年 大 小 上 下".split(),
    "kana": "か ろ み て し ぶ の ある カ ロ ミ テ".split(),
    "hangul": "가 로 미 터 샨 부 노 알".split(),
    "thai": "กา โล มิ เต ชา".split(),
}
_COMMON = (
    "the of and to a in is it you that he was for on are with as I his they be at"
    " one have this from or had by hot but some what there we can out other were all"
    " your when up use word how said an each she which do their time if will way"
    " about many then them would write like so these her long make thing see him two"
    " has look more day could go come did my sound no most number who over know"
).split()
_CONTRACTIONS = (
    "I'm you're he's we've they'll don't can't I'd IT'S WE'LL I'M YOU'RE 'Tis o'clock"
).split()
_CODE = (
    "def f(x): return x+1|for (int i = 0; i < n; ++i) {|if __name__ == '__main__':|"
    "#include <vector>|std::vector<int> v;|    return None|x = [1, 2, 3]|// comment|"
    "SELECT * FROM t WHERE id = 42;|http://example.org/a?b=c&d=e|a += b * c;"
).split("|")

CURATED = [
    "", " ", "  ", "\n", "\t", "a", "A", "Hello, world!", "Hello world", " Hello",
    "Hello ", "Hello  world", "Hello\nworld", "Hello\r\nworld\r\n", "\r", "\n\n\n",
    " \n \n ", "a\n\n b", "tab\tseparated\t\tvalues", "   leading", "trailing   ",
    "   \n   x", "x   \n", "a \t\n\r b", "\u00a0nbsp\u00a0", "\u3000ideographic\u3000",
    "\u2003em\u2003space", "\u180e\u180e vowel separator", "\u200bzero\u200bwidth\u200d",
    "\u2028line\u2029paragraph", "\x85next line", "\x0b\x0c\x1c\x1d\x1e\x1f", "\x00",
    "a\x00b", "1", "12", "123", "1234", "12345678901234567890", "3.14159", "1,234,567",
    "٣٤٥٦", "१२३४", "Ⅷ ½ ² ① 三", "x2y3z", "2024-05-01T12:34:56Z", "0xDEADBEEF",
    "I'm I'M i'M 'll 'LL 've 'Ve 're 'RE 's 'S 't 'T 'd 'D", "'ſ it'ſ", "K Kelvin \u212a",
    "don't DON'T don’t", "''s", "'", "''", "\"quoted\"", "(a)[b]{c}<d>", "...", "…", "!!!",
    "a.b.c", "snake_case camelCase PascalCase", "foo_bar__baz", "--flag=value", "a/b\\c",
    "Straße ﬁne ﬆ ǅ", "naïve café", "nai\u0308ve cafe\u0301", "\u0301alone", "İstanbul ıI",
    "ΑΒΓ αβγς Σ", "Ａｆｕｌｌ　ｗｉｄｔｈ１２", "ℌ ℕ ™ ﷺ", "안녕하세요 세계", "\u1112\u1161\u11ab",
    "你好，世界！", "こんにちは世界", "カタカナ・ヒラガナ", "Привет, мир", "Γειά σου Κόσμε",
    "مرحبا بالعالم", "שלום עולם", "สวัสดีชาวโลก", "नमस्ते दुनिया", "ສະບາຍດີ", "გამარჯობა",
    "👍", "👍🏽", "👨‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪🇫🇷", "😀😃😄", "a👍b", "e\u20e3 5\ufe0f\u20e3",
    "\ufeffbom", "\ufffd", "\U0010ffff", "\U000e0041", "\u2581", "\u2581a \u2581b",
    "<|endoftext|>", "a<|endoftext|>b", "<|begin_of_text|>hi", "<|eot_id|>\n\n<|eot_id|>",
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>", "<|im_start|>user\nHi<|im_end|>",
    "<s>", "</s>", "<unk>", "<s>a</s>b<unk>", "<s> a </s>", "< s>", "<|endoftext|", "|>",
    "a <mask> b", "a  <mask>  b", "<mask><mask>", "\n<mask>\n", "a <rs>   b", "<rs> <rs>",
    " <rs> <mask> ", "word", "sword words word", "aword word_ word. (word)", "wordword",
    "<0x41>", "<0xFF>", "\u0120a", "Ġhello", "Ċ", "<|endoftext|><|endoftext|>",
]
ILL_FORMED = [
    b"\x80", b"\xff", b"\xc3", b"\xe2\x82", b"\xf0\x9f\x91", b"a\xc3b", b"\xc0\xaf",
    b"\xed\xa0\x80", b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82\xe2\x82\xac",
    b"ok\xf0\x9f\x91 \xf0\x9f\x91\x8d", b"\xf8\x88\x80\x80\x80", b" \xc3 \xc3", b"\xe0\x80\xaf",
    b"x\xfe\xffy", b"\xf0\x80\x80\x80", b"caf\xe9", b"\xef\xbf", b"\xf1\x80\x80z",
]


def _word(rng: random.Random, script: str) -> str:
    return "".join(rng.choices(_SYLLABLES[script], k=rng.randint(1, 4)))


def training_lines(num_lines: int, seed: int = 1) -> Iterator[str]:
    """Lines of a made-up language in many scripts, with digits, code and emoji."""
    rng = random.Random(seed)
    lexicon = {s: [_word(rng, s) for _ in range(400)] for s in _SYLLABLES}
    for _ in range(num_lines):
        script = rng.choices(list(_SYLLABLES), weights=[30, 6, 3, 3, 3, 4, 3, 3, 2])[0]
        words = []
        for _ in range(rng.randint(3, 14)):
            kind = rng.random()
            if kind < 0.45:
                words.append(rng.choice(_COMMON))
            elif kind < 0.85:
                rank = min(int(rng.paretovariate(0.8)), len(lexicon[script]))
                words.append(lexicon[script][rank - 1])
            elif kind < 0.9:
                words.append(rng.choice(_CONTRACTIONS))
            elif kind < 0.95:
                words.append(str(rng.randint(0, 10 ** rng.randint(1, 6))))
            elif kind < 0.97:
                words.append(rng.choice("😀 👍 🚀 ❤️ é ü ñ".split()))
            else:
                words.append(rng.choice(_CODE))
        yield " ".join(words) + rng.choice([".", "!", "?", ",", "", "\n", "  \n\n"])


_PIECES = (
    _COMMON
    + _CONTRACTIONS
    + _CODE
    + CURATED
    + [s for syllables in _SYLLABLES.values() for s in syllables]
    + list(" \t\n\r\x0b\x85\u00a0\u2028\u3000'\"<>|_-.,!?/\\0123456789aeioustlmdrvSTLMDRV")
    + ["\u0301", "\u0323", "\u200d", "\ufe0f", "\u0930", "\u094d", "ſ", "\u212a", "İ"]
)


def fuzz_string(rng: random.Random) -> bytes:
    """A short string of odd pieces, or of odd bytes."""
    kind = rng.random()
    if kind < 0.12:
        return bytes(rng.randrange(256) for _ in range(rng.randint(0, 24)))
    if kind < 0.2:
        points = (rng.choice([rng.randrange(0x250), rng.randrange(0x3100),
                              rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)])
                  for _ in range(rng.randint(1, 12)))
        # Tokenizers differ in characters that are not in every Unicode version in use.
        known = (p for p in points if unicodedata.category(chr(p)) not in ("Cn", "Cs"))
        return "".join(map(chr, known)).encode()
    text = "".join(
        rng.choice(_PIECES) + rng.choice(["", "", " ", "  "])
        for _ in range(rng.randint(1, 10))
    ).encode()
    if kind < 0.3 and text:  # Cut or damaged.
        at = rng.randrange(len(text))
        text = text[:at] if rng.random() < 0.5 else text[:at] + bytes([rng.randrange(256)]) + text[at + 1:]
    return text


def golden_strings() -> list[bytes]:
    """What the checked-in goldens hold: the curated strings, and drawn ones."""
    rng = random.Random(7)
    drawn = [fuzz_string(rng) for _ in range(120)]
    return [s.encode() for s in CURATED] + ILL_FORMED + drawn


def multilingual_text(num_bytes: int) -> str:
    """A text in all scripts, with emoji and everything in CURATED."""
    rng = random.Random(11)
    parts, size = [], 0
    lines = training_lines(10**9, seed=12)
    while size < num_bytes:
        part = next(lines) if rng.random() < 0.8 else rng.choice(CURATED) + "\n"
        parts.append(part)
        size += len(part.encode())
    return "".join(parts)
