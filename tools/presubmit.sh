#!/usr/bin/env bash
# What a change has to pass. CI runs a part of it: see .ci/run.
#
#   tools/presubmit.sh [STEP ...]
#
# Steps, in this order: format, shell, structure, tests, tidy, odr, sanitizers,
# portability, fuzz.
# Without names, all of them. Ends with a line "N passed, N failed" that counts tests
# and steps.
#
#   MOE_FUZZ_SECONDS   how long each fuzzer runs (default: 60)
#   MOE_PYTHON         a Python with torch and safetensors, for the tests that compare
#                      with them (default: that of tools/python/venv.sh, if it has
#                      been made); they say that they were skipped without one
#   MOE_PYTHON_NEXT    the same with the next line of transformers (default: that of
#                      venv.sh --share tools/python/requirements_next.txt, if made)
#   MOE_BROWSER        a Chromium, for the test that looks at a report (default: that of
#                      the distribution, which is installed where it is missing)
set -uo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly ROOT
cd "${ROOT}" || exit 1

die() {
  printf 'presubmit: %s\n' "$@" >&2
  exit 1
}
# shellcheck source=tools/apt.sh
source tools/apt.sh

# One formatter for everyone: versions differ in what they make of the same style.
readonly CLANG_VERSION=14

PASSED=0
FAILED=0

tracked() {
  git ls-files -- "$@"
}

step_format() {
  local clang_format
  clang_format="$(tools/clang_tool.sh clang-format "${CLANG_VERSION}")" || return 1
  tracked '*.cc' '*.h' | xargs "${clang_format}" --dry-run --Werror
}

step_shell() {
  mapfile -t missing < <(missing_packages shellcheck)
  if ((${#missing[@]} > 0)); then
    (prepare_install shellcheck && install_packages shellcheck) || return 1
  fi
  tracked '*.sh' bazelw .ci/run | xargs shellcheck -x
}

# Every library has a test beside it, every file is of a size that can be read, and what
# a header declares is called.
step_structure() {
  python3 tools/check_structure.py && python3 tools/check_dead_code.py
}

# Sets MOE_BROWSER to the distribution's Chromium, unless it is set.
find_browser() {
  [[ -z "${MOE_BROWSER:-}" ]] || return 0
  if ! command -v chromium >/dev/null; then
    (prepare_install chromium && install_packages chromium) || return 1
  fi
  MOE_BROWSER="$(command -v chromium)"
  export MOE_BROWSER
}

# Runs the README's test command, and counts what it reports.
step_tests() {
  local command
  find_browser || return 1
  command="$(sed -n 's/^\(\.\/bazelw test .*\)$/\1/p' README.md | head -n 1)"
  [[ -n "${command}" ]] || die "README.md has no line that starts with ./bazelw test"
  command+=" --test_env=MOE_BROWSER${MOE_PYTHON:+ --test_env=MOE_PYTHON}"
  count_tests "${command}${MOE_PYTHON_NEXT:+ --test_env=MOE_PYTHON_NEXT}"
}

# count_tests COMMAND: runs it, shows what it shows, and adds the tests to the counts.
count_tests() {
  local log status
  log="$(mktemp)"
  printf 'presubmit: %s\n' "$1"
  # The command is a line of words, as in the README.
  # shellcheck disable=SC2086
  $1 --noshow_progress 2>&1 | tee "${log}"
  status="${PIPESTATUS[0]}"
  PASSED=$((PASSED + $(grep -c '^//.* PASSED in ' "${log}")))
  FAILED=$((FAILED + $(grep -cE '^//.* (FAILED|TIMEOUT|NO STATUS)' "${log}")))
  rm -f "${log}"
  return "${status}"
}

step_tidy() {
  tools/clang_tidy.sh
}

# Every name has one definition: links the whole program once (see .bazelrc).
step_odr() {
  ./bazelw build --config=odr --noshow_progress //tools:llama_moe
}

step_sanitizers() {
  count_tests './bazelw test --config=asan //moe/... //tools/...'
}

# Only goldens, on one processor; all of it takes some twenty minutes.
step_portability() {
  tools/kernels/portability.sh --short
}

step_fuzz() {
  tools/fuzz/run.sh --seconds "${MOE_FUZZ_SECONDS:-60}"
}

main() {
  local steps=("$@") step started
  ((${#steps[@]} > 0)) || steps=(format shell structure tests tidy odr sanitizers portability fuzz)
  if [[ -z "${MOE_PYTHON:-}" ]] && MOE_PYTHON="$(tools/python/venv.sh --if_there)"; then
    export MOE_PYTHON
  fi
  if [[ -z "${MOE_PYTHON_NEXT:-}" ]] && MOE_PYTHON_NEXT="$(tools/python/venv.sh --if_there \
    --share tools/python/requirements_next.txt)"; then
    export MOE_PYTHON_NEXT
  fi
  for step in "${steps[@]}"; do
    declare -F "step_${step}" >/dev/null || die "there is no step \"${step}\""
  done
  for step in "${steps[@]}"; do
    started="${SECONDS}"
    if "step_${step}"; then
      PASSED=$((PASSED + 1))
      printf 'presubmit: %s: passed in %d s\n' "${step}" "$((SECONDS - started))"
    else
      FAILED=$((FAILED + 1))
      printf 'presubmit: %s: FAILED after %d s\n' "${step}" "$((SECONDS - started))"
    fi
  done
  printf '%d passed, %d failed\n' "${PASSED}" "${FAILED}"
  ((FAILED == 0))
}

main "$@"
