"""What a tree of files is: names, bytes, times, inodes, modes, and where links lead."""

import dataclasses
import hashlib
import os
import pathlib
import re
import stat


@dataclasses.dataclass(frozen=True)
class Entry:
    """One file, directory or link."""

    kind: str
    mode: int
    inode: int
    mtime_ns: int
    size: int = 0
    sha256: str = ""
    link: str = ""


Snapshot = dict[str, Entry]

# What writers call a file or directory that is not whole yet, or is about to go.
_DEBRIS = re.compile(r"(?:.*/)?\.[^/]*\.(?:partial|replaced)-[^/]*")


def _entry(path: pathlib.Path) -> Entry:
    found = os.lstat(path)
    common = (stat.S_IMODE(found.st_mode), found.st_ino, found.st_mtime_ns)
    if stat.S_ISLNK(found.st_mode):
        return Entry("link", *common, link=os.readlink(path))
    if stat.S_ISDIR(found.st_mode):
        return Entry("directory", *common)
    if not stat.S_ISREG(found.st_mode):
        return Entry("other", *common)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Entry("file", *common, size=found.st_size, sha256=digest)


def take(root: pathlib.Path) -> Snapshot:
    """Everything below `root`, by its path from there; links are not followed."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = pathlib.Path(folder, name)
            found[str(path.relative_to(root))] = _entry(path)
    return found


def _difference(before: Entry, after: Entry) -> str:
    return ", ".join(
        field.name
        for field in dataclasses.fields(Entry)
        if getattr(before, field.name) != getattr(after, field.name)
    )


def differences(before: Snapshot, after: Snapshot) -> dict[str, str]:
    """What is not as it was, by path: "gone", "new", or which of its facts differ."""
    found = {}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found[name] = "gone"
        elif name not in before:
            found[name] = "new"
        elif before[name] != after[name]:
            found[name] = f"other {_difference(before[name], after[name])}"
    return found


def debris(names) -> list[str]:
    """Those of the paths that a writer should have removed, without what is in them."""
    return sorted({match.group(0) for match in map(_DEBRIS.match, names) if match})


def describe(found: dict[str, str], limit: int = 4) -> str:
    """The differences in a line."""
    shown = [f"{name}: {what}" for name, what in list(found.items())[:limit]]
    if len(found) > limit:
        shown.append(f"and {len(found) - limit} more")
    return "; ".join(shown)
