#!/usr/bin/env bash
# Prints the path of a tool of LLVM (clang, clang-format, clang-tidy): the newest
# that is installed, or after installing it from the distribution.
#
#   tools/clang_tool.sh TOOL [VERSION]
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly ROOT

die() {
  printf 'clang_tool: %s\n' "$@" >&2
  exit 1
}
# shellcheck source=tools/apt.sh
source "${ROOT}/tools/apt.sh"

tool="${1:?which tool?}"
version="${2:-}"

find_tool() {
  compgen -G "/usr/bin/${tool}-[0-9]*" | grep -E -- "-${version:-[0-9]+}\$" | sort -V | tail -n 1
}

path="$(find_tool || true)"
if [[ -z "${path}" ]]; then
  packages=("${tool}${version:+-${version}}")
  prepare_install "${packages[@]}"
  # The runtime of the sanitizers and of libFuzzer is a package of its own.
  if [[ "${tool}" == clang ]]; then
    major="$(LC_ALL=C apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)"
    packages=("clang-${version:-${major}}" "libclang-rt-${version:-${major}}-dev")
  fi
  install_packages "${packages[@]}"
  path="$(find_tool || true)"
fi
[[ -n "${path}" ]] || die "${tool}${version:+ ${version}} is not to be had from this distribution"
printf '%s\n' "${path}"
