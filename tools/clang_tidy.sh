#!/usr/bin/env bash
# Runs clang-tidy, with the checks that .clang-tidy allows, over the sources of all
# rooms, or over the files that are named. What has passed is remembered by content:
# a source is looked at again when it, a header of ours, or the checks change.
#
#   tools/clang_tidy.sh [FILE.cc ...]
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly ROOT
cd "${ROOT}"

readonly CLANG_VERSION=14
readonly CACHE="${MOE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/llama_moe}/clang-tidy"

clang_tidy="$(tools/clang_tool.sh clang-tidy "${CLANG_VERSION}")"
mkdir -p "${CACHE}"

files=("$@")
if ((${#files[@]} == 0)); then
  # Tests are left out: GoogleTest's macros are most of what would be found.
  mapfile -t files < <(git ls-files -- '*.cc' ':!*_test.cc')
fi

# The generated headers of protocol messages.
./bazelw build --noshow_progress //moe/... >/dev/null 2>&1 || {
  echo "clang_tidy: ./bazelw build //moe/... fails; mend that first" >&2
  exit 1
}

shared="$({
  git ls-files -z -- '*.h' '*.proto' .clang-tidy | xargs -0 sha256sum
  "${clang_tidy}" --version
} | sha256sum)"

# What files that are compiled once per SIMD target need; harmless to the others.
simd_flags=
[[ "$(uname -m)" != x86_64 ]] ||
  simd_flags="$(grep -o -- '-m[a-z0-9.]*' moe/kernels/simd/simd.bzl | tr '\n' ' ')"

check() {
  local file="$1" stamp output
  stamp="${CACHE}/$({ echo "${shared}"; sha256sum "${file}"; } | sha256sum | cut -c1-40)"
  [[ ! -e "${stamp}" ]] || return 0
  # shellcheck disable=SC2086  # The flags are several words.
  if output="$("${clang_tidy}" --quiet --warnings-as-errors='*' "${file}" -- ${simd_flags} \
    -std=c++20 -ffp-contract=off -I. -Ibazel-bin -isystem /usr/include/torch/csrc/api/include \
    2>/dev/null)"; then
    touch "${stamp}"
  else
    printf '%s\n' "${output}"
    return 1
  fi
}
export -f check
export shared clang_tidy simd_flags CACHE

# shellcheck disable=SC2016  # The inner shell expands it.
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "$(nproc)" bash -c 'check "$1"' _
printf 'clang_tidy: %d files, no finding\n' "${#files[@]}"
