"""What can lie at a command's target, and what the command has to do with it."""

import dataclasses
import enum
import functools
import os
import pathlib
import subprocess
from collections.abc import Callable, Iterator

import commands
from commands import MODEL, TARGET, Builder, Command, Kind


class Expect(enum.Enum):
    """How a command has to take a target."""

    WORKS = "ends with 0, and its result is at the target"
    ADDS = "ends with 0, and all that was there is unchanged"
    REFUSED = "ends with 2, and all is unchanged"
    # Whichever; what is not the command's own stays.
    EITHER = "ends with 0 or 2, and all that was there is unchanged"


Make = Callable[[Builder, pathlib.Path, Command], str]


@dataclasses.dataclass(frozen=True)
class Target:  # pylint: disable=too-many-instance-attributes
    """One kind of target."""

    name: str
    # Lays it out in a work directory; returns what is given as the target.
    make: Make
    expect: Callable[[Command, bool], Expect]
    # Where the result lies, if not at what `make` returns.
    place: str = ""
    # Whether the output has to name `place`.
    is_said: bool = False
    needs_mount: bool = False
    # With which flags it is tried unless all are asked for: --overwrite, where it could
    # do most harm.
    tried: tuple[bool, ...] = (True,)
    # Whether it is tried on commands that only add files only where all is asked for.
    is_rare: bool = False
    # Whether all that is there is the command's own.
    is_own: bool = False


def _bind(work: pathlib.Path, source: str, name: str) -> None:
    (work / name).mkdir(parents=True)
    subprocess.run(["mount", "--bind", work / source, work / name], check=True)


def unmount(work: pathlib.Path) -> None:
    """Takes a work directory's bind mounts away."""
    for name in ("out/bound",):
        if os.path.ismount(work / name):
            subprocess.run(["umount", work / name], check=True)


def _write_foreign(folder: pathlib.Path) -> None:
    (folder / "letters").mkdir(parents=True)
    (folder / "letters/first.txt").write_text("Dear reader,\n", encoding="utf-8")
    (folder / "photo.raw").write_bytes(bytes(range(256)) * 16)
    (folder / "notes.txt").write_text("nobody else has these\n", encoding="utf-8")


# ---- Targets ----


def _absent(_builder: Builder, _work: pathlib.Path, _command: Command) -> str:
    return TARGET


def _empty(_builder: Builder, work: pathlib.Path, command: Command) -> str:
    if command.kind is Kind.FILE:
        (work / TARGET).write_bytes(b"")
    else:
        (work / TARGET).mkdir()
    return TARGET


def _own(builder: Builder, work: pathlib.Path, command: Command) -> str:
    builder.put_own(work, command)
    return TARGET


def _foreign(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    _write_foreign(work / TARGET)
    return TARGET


def _own_and(name: str, builder: Builder, work: pathlib.Path, command: Command) -> str:
    path = work / _own(builder, work, command) / name
    path.write_text("nobody else has these\n", encoding="utf-8")
    return TARGET


def _own_changed(builder: Builder, work: pathlib.Path, command: Command) -> str:
    place = work / _own(builder, work, command)
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    largest = max((path for path in files if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[-1] ^= 1
    largest.write_bytes(data)
    return TARGET


def _at(path: str, _builder: Builder, _work: pathlib.Path, _command: Command) -> str:
    return path


def _model_by_link(below: str, _builder: Builder, work: pathlib.Path, _command: Command) -> str:
    (work / "out/link").symlink_to("../" + MODEL)
    return f"out/link{below}"


def _model_by_mount(below: str, _builder: Builder, work: pathlib.Path, _command: Command) -> str:
    _bind(work, MODEL, "out/bound")
    return f"out/bound{below}"


def _models_by_mount(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    _bind(work, os.path.dirname(MODEL), "out/bound")
    return f"out/bound/{os.path.basename(MODEL)}"


def _link(work: pathlib.Path) -> str:
    (work / TARGET).symlink_to("real")
    return TARGET


def _link_to_absent(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    return _link(work)


def _link_to_own(builder: Builder, work: pathlib.Path, command: Command) -> str:
    # What lies beside the result lies beside what the link names.
    builder.put_own(work, command, "out/real")
    return _link(work)


def _link_to_foreign(_builder: Builder, work: pathlib.Path, command: Command) -> str:
    if command.kind is Kind.FILE:
        (work / "out/real").write_text("nobody else has these\n", encoding="utf-8")
    else:
        _write_foreign(work / "out/real")
    return _link(work)


def _other_file(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    (work / TARGET).write_text("nobody else has these\n", encoding="utf-8")
    return TARGET


def _other_json(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    (work / TARGET).write_text('{"name": "nobody else has these"}\n', encoding="utf-8")
    return TARGET


def _other_weights(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    commands.copy(work / MODEL / "model.safetensors", work / TARGET)
    return TARGET


def _foreign_beside(suffix: str, builder: Builder, work: pathlib.Path, command: Command) -> str:
    del builder, command
    place = work / (TARGET + suffix)
    if suffix == ".alignment":
        _write_foreign(place)
    else:
        place.write_text("nobody else has these\n", encoding="utf-8")
    return TARGET


def _foreign_in_step(builder: Builder, work: pathlib.Path, command: Command) -> str:
    path = work / _own(builder, work, command) / "mlp/optimizer.pt"
    path.write_text("nobody else has these\n", encoding="utf-8")
    return TARGET


def _foreign_step(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    _write_foreign(work / TARGET / "router")
    return TARGET


def _abandoned(_builder: Builder, work: pathlib.Path, _command: Command) -> str:
    # Not of the form that writers give their unfinished work.
    _write_foreign(work / "out/.target.partial-thesis")
    return TARGET


# ---- What is expected ----


def _always(_command: Command, _overwrite: bool) -> Expect:
    return Expect.WORKS


def _refused(_command: Command, _overwrite: bool) -> Expect:
    return Expect.REFUSED


def _either(_command: Command, _overwrite: bool) -> Expect:
    return Expect.EITHER


def _if_allowed(command: Command, overwrite: bool) -> Expect:
    allowed = overwrite or not command.has_overwrite
    return Expect.WORKS if allowed else Expect.REFUSED


def _if_allowed_either(command: Command, overwrite: bool) -> Expect:
    allowed = overwrite or not command.has_overwrite
    return Expect.EITHER if allowed else Expect.REFUSED


def _empty_file(command: Command, overwrite: bool) -> Expect:
    allowed = overwrite or not command.has_overwrite
    return Expect.WORKS if allowed else Expect.EITHER


def _beside_foreign(command: Command, _overwrite: bool) -> Expect:
    """A folder of other files, in which nothing stands in the way."""
    return {Kind.ADDED: Expect.ADDS, Kind.RESULTS: Expect.EITHER}.get(command.kind, Expect.REFUSED)


def _own_and_foreign(command: Command, overwrite: bool) -> Expect:
    if command.kind is Kind.ADDED:
        return Expect.ADDS if overwrite else Expect.REFUSED
    return Expect.EITHER if command.kind is Kind.RESULTS else Expect.REFUSED


def _around_inputs(command: Command, _overwrite: bool) -> Expect:
    """A folder that an input's folder lies in."""
    return Expect.REFUSED if command.kind is Kind.REPLACED else Expect.EITHER


def _of_links(expect: Callable[[Command, bool], Expect]) -> dict:
    return {"expect": expect, "place": "out/real", "is_said": True}


# ---- The table ----


def _common() -> Iterator[Target]:
    yield Target("absent", _absent, _always, tried=(False,))
    yield Target("own", _own, _if_allowed, tried=(False, True), is_own=True)
    yield Target("own, changed", _own_changed, _if_allowed_either, is_own=True, is_rare=True)
    yield Target("link to absent", _link_to_absent, tried=(False,), **_of_links(_always))
    yield Target("link to own", _link_to_own, is_own=True, **_of_links(_if_allowed))
    yield Target("unfinished work of another name", _abandoned, _always, is_rare=True)


def _folders(command: Command) -> Iterator[Target]:
    here = functools.partial
    yield Target("empty", _empty, _always, tried=(False,))
    yield Target("foreign", _foreign, _beside_foreign)
    yield Target(
        "own and optimizer.pt", here(_own_and, "optimizer.pt"), _own_and_foreign, is_rare=True
    )
    yield Target("own and notes.txt", here(_own_and, "notes.txt"), _own_and_foreign)
    yield Target("link to foreign", _link_to_foreign, **_of_links(_beside_foreign))
    if "{model}" not in command.words:
        return
    yield Target("model", here(_at, MODEL), _refused)
    yield Target("model by link", here(_model_by_link, ""), _refused)
    yield Target("model by mount", here(_model_by_mount, ""), _refused, needs_mount=True)
    yield Target("model in a mount", _models_by_mount, _refused, needs_mount=True, is_rare=True)
    yield Target(
        "parent of the model", here(_at, os.path.dirname(MODEL)), _around_inputs, is_rare=True
    )
    yield Target("child of the model", here(_at, f"{MODEL}/new"), _refused)
    child = here(_model_by_mount, "/new")
    yield Target("child of the model by mount", child, _refused, needs_mount=True, is_rare=True)


def _files(command: Command) -> Iterator[Target]:
    here = functools.partial
    weights = "/model.safetensors"
    yield Target("empty", _empty, _empty_file, tried=(False,))
    yield Target("other file", _other_file, _refused)
    yield Target("other JSON", _other_json, _refused)
    yield Target("other weights", _other_weights, _refused)
    yield Target("directory", _foreign, _refused)
    yield Target("link to foreign", _link_to_foreign, **_of_links(_refused))
    yield Target("weights", here(_at, MODEL + weights), _refused)
    yield Target("weights by link", here(_model_by_link, weights), _refused)
    yield Target("weights by mount", here(_model_by_mount, weights), _refused, needs_mount=True)
    yield Target("child of the model", here(_at, f"{MODEL}/new"), _either)
    del command


def _inputs(command: Command) -> Iterator[Target]:
    done = {MODEL}
    for path in command.inputs():
        if path not in done:
            yield Target(f"input {path}", functools.partial(_at, path), _refused)


def _special(command: Command) -> Iterator[Target]:
    for suffix in command.beside:
        expect = _always if suffix == ".alignment" else _refused
        yield Target(f"foreign {suffix} beside", functools.partial(_foreign_beside, suffix), expect)
    if command.kind is Kind.RESULTS:
        yield Target("foreign file in a step", _foreign_in_step, _either)
        yield Target("foreign folder of a step's name", _foreign_step, _either)


def of(command: Command) -> Iterator[Target]:
    """All targets of a command."""
    yield from _common()
    yield from _files(command) if command.kind is Kind.FILE else _folders(command)
    yield from _inputs(command)
    yield from _special(command)
