#!/usr/bin/env python3
"""Finds the functions that nothing that ships calls.

Every function that a header of moe/ or tools/ declares has to be named in the code that
ships: outside of its own declarations and definitions, in a file that is no test, no
fuzzer and no help for tests (testing/). Code that only tests call is deleted, or it moves
to testing/. The check compares names alone, so a name that two functions share hides the
dead one of the two.

Prints every finding and exits with 1 if there is one.
"""

import collections
import pathlib
import re
import subprocess
import sys

_ROOTS = ("moe", "tools")
_FOR_TESTS = ("_test", "_fuzzer", "_test_helper")
# Only tests call these, and they cannot stand anywhere else.
_ALLOWED = {
    "IsSwitch",  # Tells tests of the command line which flags have no value.
    "SetSimdTarget",  # Kernels' tests run on every target; programs ask the environment.
}

_NOISE = re.compile(
    r"//[^\n]*|/\*.*?\*/"
    r'|R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<!\d)'(?:\\.|[^'\\\n])*'"
    r"|^[ \t]*#(?!\s*define)(?:\\\n|[^\n])*",
    re.DOTALL | re.MULTILINE,
)
_TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.']*|::|->|\S")
_NAME = re.compile(r"[A-Za-z_]\w*$")
# What stands before a parenthesis and names no function.
_KEYWORDS = {"alignas", "decltype", "explicit", "noexcept", "requires", "static_assert"}


def ships(path: pathlib.Path) -> bool:
    """Whether a source is part of a program that is no test."""
    return (
        path.suffix in (".cc", ".h")
        and path.parts[0] in _ROOTS
        and "testing" not in path.parts
        and not path.stem.endswith(_FOR_TESTS)
    )


def function_name(statement: list[str]) -> int | None:
    """Where the name stands in the declaration of a function; None in other statements."""
    depth = 0
    for i, token in enumerate(statement):
        if token == "<":
            depth += 1
        elif token == ">":
            depth = max(0, depth - 1)
        elif depth == 0 and token in ("=", "operator"):
            return None
        elif depth == 0 and token == "(" and i > 0:
            name = statement[i - 1]
            if name in _KEYWORDS or name.isupper() or not _NAME.match(name):
                continue
            # Without a type before it, a constructor or a macro.
            return i - 1 if i > 1 and statement[i - 2] != "~" else None
    return None


class Scan:
    """Tells the functions that a file declares from the names that it uses."""

    def __init__(self, text: str):
        # With their scopes; not what overrides, nor a method's definition apart.
        self.declared: set[tuple[str, ...]] = set()
        # name -> how often it stands alone, and how often behind ".", "->" or "::".
        self.alone: collections.Counter[str] = collections.Counter()
        self.qualified: collections.Counter[str] = collections.Counter()
        self._statement: list[str] = []
        # For each open brace the scope's name; None where statements are run.
        self._scopes: list[str | None] = []
        self._before = ""
        for token in _TOKEN.findall(_NOISE.sub(" ", text)):
            self._take(token)
            self._before = token

    def _take(self, token: str) -> None:
        declares = None not in self._scopes
        if token == "{":
            self._scopes.append(self._scope() if declares else None)
            if declares:
                self._end_statement(self._scopes[:-1])
        elif token == "}":
            if self._scopes:
                self._scopes.pop()
            if None not in self._scopes:
                self._end_statement(self._scopes)
        elif not declares:
            self._use(token, self._before)
        elif token == ";" or (
            token == ":" and self._before in ("public", "private", "protected")
        ):
            self._end_statement(self._scopes)
        else:
            self._statement.append(token)

    def _scope(self) -> str | None:
        """The name of the scope that opens after the statement."""
        words = self._statement
        if "namespace" in words:
            return "".join(words[words.index("namespace") + 1 :]) or "(unnamed)"
        for kind in ("class", "struct", "union"):
            if kind in words and function_name(words) is None:
                return kind
        return None

    def _end_statement(self, scopes: list[str | None]) -> None:
        at = function_name(self._statement)
        before = ""
        for i, token in enumerate(self._statement):
            if i != at:
                self._use(token, before)
            elif before != "::" and "override" not in self._statement:
                self.declared.add(tuple("::".join([*scopes, token]).split("::")))
            before = token
        self._statement = []

    def _use(self, token: str, before: str) -> None:
        if _NAME.match(token):
            uses = self.qualified if before in (".", "->", "::") else self.alone
            uses[token] += 1


def findings(texts: dict[pathlib.Path, str]) -> list[str]:
    """A line for each function of a header that nothing that ships names."""
    scans = {path: Scan(text) for path, text in texts.items()}
    declared = {path: scan.declared for path, scan in scans.items() if path.suffix == ".h"}
    public = set().union(*declared.values())
    used = set()
    for path, scan in scans.items():
        used |= set(scan.qualified)
        # A function of the file's own hides the one of the same name.
        own = scan.declared - public if path.suffix == ".cc" else set()
        hidden = {f[-1] for f in own if not {"class", "struct", "union"} & set(f)}
        used |= set(scan.alone) - hidden
    return [
        f"{path}: only tests call {function[-1]}; delete it, or move it to testing/"
        for path, functions in declared.items()
        for function in sorted(functions)
        if function[-1] not in used | _ALLOWED
    ]


def main() -> int:
    names = subprocess.run(
        ["git", "ls-files", "-z", *_ROOTS], check=True, capture_output=True, text=True
    ).stdout
    paths = [pathlib.Path(name) for name in names.split("\0") if name]
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in paths
        if ships(path) and path.exists()
    }
    found = findings(texts)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
