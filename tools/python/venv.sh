#!/usr/bin/env bash
# Prints the path of a Python that has what the tests and tools which compare with the
# Python world need, after making its virtual environment where there is none.
#
#   tools/python/venv.sh [--if_there] [REQUIREMENTS]
#
#   --if_there     make nothing: print nothing and exit with 1 where there is none
#   REQUIREMENTS   the packages (default: requirements.txt beside this script)
#
# The environment is kept in the cache (MOE_CACHE_DIR, default ~/.cache/llama_moe) under
# a name that changes with the packages. PYTHON names another interpreter than python3.
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE

fail() {
  printf 'venv: error: %s\n' "$*" >&2
  exit 1
}

if_there=
if [[ "${1:-}" == --if_there ]]; then
  if_there=1
  shift
fi
requirements="${1:-${HERE}/requirements.txt}"
python="${PYTHON:-python3}"
cache="${MOE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/llama_moe}"

[[ -f "${requirements}" ]] || fail "${requirements} not found"
command -v "${python}" >/dev/null || fail "${python} not found: set PYTHON to a Python 3.11"

digest="$(sha256sum "${requirements}" | cut -c1-16)"
version="$("${python}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
venv="${cache}/venv-${version}-${digest}"

# The marker is written last: an installation that was cut off is done again.
if [[ ! -f "${venv}/complete" ]]; then
  [[ -z "${if_there}" ]] || exit 1
  printf 'venv: installing %s into %s\n' "$(basename "${requirements}")" "${venv}" >&2
  mkdir -p "${cache}"
  rm -rf "${venv}"
  "${python}" -m venv "${venv}" >&2 || fail "${python} -m venv failed: install python3-venv"
  "${venv}/bin/python" -m pip install --quiet -r "${requirements}" >&2 ||
    fail "pip could not install ${requirements}"
  touch "${venv}/complete"
fi
printf '%s\n' "${venv}/bin/python"
