#!/usr/bin/env bash
# Prints the path of a Python that has what the tests and tools which compare with the
# Python world need, after making its virtual environment where there is none.
#
#   tools/python/venv.sh [--if_there] [--share] [REQUIREMENTS]
#
#   --if_there     make nothing: print nothing and exit with 1 where there is none
#   --share        take what the default environment has in the wanted version (torch,
#                  mostly) from there, and install the rest
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
share=
while [[ "${1:-}" == --* ]]; do
  case "$1" in
    --if_there) if_there=1 ;;
    --share) share=1 ;;
    *) fail "there is no $1" ;;
  esac
  shift
done
requirements="${1:-${HERE}/requirements.txt}"
python="${PYTHON:-python3}"
cache="${MOE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/llama_moe}"

[[ -f "${requirements}" ]] || fail "${requirements} not found"
command -v "${python}" >/dev/null || fail "${python} not found: set PYTHON to a Python 3.11"

digest="$(sha256sum "${requirements}" | cut -c1-16)"
version="$("${python}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
venv="${cache}/venv-${version}-${digest}"
shared=
if [[ -n "${share}" ]]; then
  shared="$("${BASH_SOURCE[0]}" ${if_there:+--if_there})" || exit 1
  shared="$(dirname "$(dirname "${shared}")")"
  venv+="-${shared##*-}"
fi

# The marker is written last: an installation that was cut off is done again.
if [[ ! -f "${venv}/complete" ]]; then
  [[ -z "${if_there}" ]] || exit 1
  printf 'venv: installing %s into %s\n' "$(basename "${requirements}")" "${venv}" >&2
  mkdir -p "${cache}"
  rm -rf "${venv}"
  "${python}" -m venv "${venv}" >&2 || fail "${python} -m venv failed: install python3-venv"
  if [[ -n "${shared}" ]]; then
    # After the environment's own packages in the order of search.
    printf '%s\n' "${shared}/lib/python${version}/site-packages" \
      >"${venv}/lib/python${version}/site-packages/shared.pth"
  fi
  "${venv}/bin/python" -m pip install --quiet -r "${requirements}" >&2 ||
    fail "pip could not install ${requirements}"
  touch "${venv}/complete"
fi
printf '%s\n' "${venv}/bin/python"
