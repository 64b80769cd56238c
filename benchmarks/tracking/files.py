"""Files of the tool: JSON whose types are checked, and files written whole or not at all."""

import json
import os
import sys
import typing

_TYPE_NAMES = {list: "array", str: "string", bool: "boolean", type(None): "null"}
_EXPECTED = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
_MAX_INT = 2**63 - 1
_MAX_SHOWN = 60


class TrackingError(Exception):
    """What a user has to know: the tool prints it and ends with exit status 2."""


def read_file(path: str) -> bytes:
    """Returns the file's bytes. TrackingError with the path."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise TrackingError(f"{path}: {error.strerror}") from None


def write_file(path: str, data: bytes) -> None:
    """Writes the file, synced and over an older one: all of it or nothing.

    Makes missing directories. A symbolic link stays, and its target is replaced.
    TrackingError with the path, also for what is there and is no regular file.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        raise TrackingError(f"{path}: expected a file, found something else")
    directory, name = os.path.split(target)
    staging = os.path.join(directory, f".{name}.partial-{os.getpid()}")
    try:
        os.makedirs(directory, exist_ok=True)
        with open(staging, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, target)
    except OSError as error:
        raise TrackingError(f"{path}: cannot write it: {error.strerror}") from None
    finally:
        if os.path.exists(staging):
            os.remove(staging)


def _unique(pairs: list[tuple[str, typing.Any]]) -> dict[str, typing.Any]:
    value: dict[str, typing.Any] = {}
    for name, item in pairs:
        if name in value:
            raise TrackingError(f'malformed JSON: the field "{name}" occurs twice')
        value[name] = item
    return value


def parse_object(text: bytes) -> dict[str, typing.Any]:
    """Returns the JSON object that `text` is. TrackingError for anything else."""
    try:
        value = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
        # The parser takes half of a surrogate pair, which no file can hold.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise TrackingError(f"malformed JSON: {error}") from None
    if isinstance(value, dict):
        return value
    kind = _TYPE_NAMES.get(type(value), "number")
    raise TrackingError(f"malformed: expected a JSON object, found a JSON {kind}")


def is_a(value: typing.Any, kind: type) -> bool:
    """Whether a JSON value is of the kind. A number is finite, a whole one has 64 bits."""
    if kind is float:
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return type(value) is kind and (kind is not int or abs(value) <= _MAX_INT)


def get(fields: dict[str, typing.Any], name: str, kind: type) -> typing.Any:
    """Returns a field's value. TrackingError with the field if it is absent or no `kind`."""
    value = fields.get(name)
    if value is None:
        raise TrackingError(f'there is no field "{name}"')
    if is_a(value, kind):
        return value
    shown = json.dumps(value)
    if len(shown) > _MAX_SHOWN:
        shown = shown[:_MAX_SHOWN] + "..."
    raise TrackingError(f"{name}: expected {_EXPECTED[kind]}, found {shown}")
