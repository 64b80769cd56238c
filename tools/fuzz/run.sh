#!/usr/bin/env bash
# Fuzzes every *_fuzzer target, or those that are named, with libFuzzer, under
# AddressSanitizer and UndefinedBehaviorSanitizer.
#
#   tools/fuzz/run.sh [--seconds N] [//moe/checkpoint:config_fuzzer ...]
#
# A finding ends it with status 1 and leaves the input in the folder that it names.
set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
readonly ROOT
cd "${ROOT}"

die() {
  printf 'fuzz: %s\n' "$@" >&2
  exit 1
}
# shellcheck source=tools/apt.sh
source tools/apt.sh

seconds=60
if [[ "${1:-}" == --seconds ]]; then
  seconds="${2:?--seconds wants a number}"
  shift 2
fi

clang="$(tools/clang_tool.sh clang)" || exit 1
cache="${MOE_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/llama_moe}"
bazel=(./bazelw)
flags=(--noshow_progress --config=fuzz "--repo_env=CC=${clang}")

targets=("$@")
if ((${#targets[@]} == 0)); then
  found="$("${bazel[@]}" query --noshow_progress \
    'kind(cc_test, filter("_fuzzer$", //...))')" || die "cannot list the fuzzers"
  [[ -n "${found}" ]] || die "the workspace has no *_fuzzer target"
  mapfile -t targets <<<"${found}"
fi
# An output base of its own, for each clone: another compiler is another set of
# repositories, and changing back and forth would fetch them anew each time. Targets
# are listed before, in the usual one: from here, //... would follow the bazel-* links.
MOE_OUTPUT_BASE="$("${bazel[@]}" info output_base 2>/dev/null)-fuzz"
export MOE_OUTPUT_BASE
mkdir -p "${cache}/fuzz-corpus"
build_log="${cache}/fuzz-corpus/build.log"
"${bazel[@]}" build "${flags[@]}" "${targets[@]}" >"${build_log}" 2>&1 || {
  cat "${build_log}" >&2
  die "the fuzzers do not build"
}
bin="$("${bazel[@]}" info "${flags[@]}" bazel-bin 2>/dev/null)"

# All at once, each for the whole time: two share two cores.
pids=()
for target in "${targets[@]}"; do
  name="${target##*:}"
  package="${target#//}"
  package="${package%%:*}"
  corpus="${cache}/fuzz-corpus/${name}"
  mkdir -p "${corpus}"
  "${bin}/${package}/${name}" -max_total_time="${seconds}" -print_final_stats=1 \
    -max_len=16384 -artifact_prefix="${corpus}/" "${corpus}" testdata/malformed \
    testdata/configs testdata/pt testdata/stories testdata/tokenizers/malformed testdata/tokenizers/texts \
    >"${corpus}.log" 2>&1 &
  pids+=($!)
done
status=0
for i in "${!targets[@]}"; do
  log="${cache}/fuzz-corpus/${targets[i]##*:}.log"
  runs=0
  if wait "${pids[i]}"; then
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "${log}")"
  fi
  if ((${runs:-0} > 0)); then
    printf 'fuzz: %s: %s runs in %s s, no finding\n' "${targets[i]}" "${runs}" "${seconds}"
  else
    tail -n 40 "${log}" >&2
    printf 'fuzz: %s: a finding, or no run; see %s\n' "${targets[i]}" "${log}" >&2
    status=1
  fi
done
exit "${status}"
