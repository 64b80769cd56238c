#!/bin/bash
# Runs fetch_smollm2.py in a virtual environment made from
# tools/python/requirements.txt. The environment is kept in the cache directory
# (${XDG_CACHE_HOME:-~/.cache}/llama-moe) and made anew when that file changes.
#
# Usage: tools/real_model/fetch_smollm2.sh DIR [--dtype D] [--overwrite]
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
requirements="${here}/../python/requirements.txt"
cache="${XDG_CACHE_HOME:-${HOME}/.cache}/llama-moe"
python="${PYTHON:-python3}"

fail() {
  echo "fetch_smollm2: error: $*" >&2
  exit 1
}

command -v "${python}" >/dev/null || fail "${python} not found: set PYTHON"
[[ -f "${requirements}" ]] || fail "${requirements} not found"

digest="$(sha256sum "${requirements}" | cut -c1-16)"
version="$("${python}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
venv="${cache}/venv-${version}-${digest}"

# The marker is written last: an installation that was cut off is redone.
if [[ ! -f "${venv}/complete" ]]; then
  echo "fetch_smollm2: installing $(basename "${requirements}") into ${venv}"
  mkdir -p "${cache}"
  rm -rf "${venv}"
  "${python}" -m venv "${venv}" \
    || fail "${python} -m venv failed: install python3-venv"
  "${venv}/bin/python" -m pip install --quiet -r "${requirements}" \
    || fail "pip could not install ${requirements}"
  touch "${venv}/complete"
fi

exec "${venv}/bin/python" "${here}/fetch_smollm2.py" "$@"
