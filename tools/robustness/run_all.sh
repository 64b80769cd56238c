#!/usr/bin/env bash
# Runs every driver with its large numbers, by hand: hours on two cores.
#
#   tools/robustness/run_all.sh BINARY [RESULTS_DIR]
#
# Each driver's output goes to RESULTS_DIR/DRIVER.txt (default: robustness_results), and
# RESULTS_DIR/results.md has a row for each: cases, failed, seconds. Exit status 1 if any
# case failed. MOE_SIGNAL_MOMENTS, MOE_LIMIT_POINTS and MOE_KILL_POINTS set other numbers.
set -uo pipefail

(($# >= 1)) || {
  echo "usage: $0 BINARY [RESULTS_DIR]" >&2
  exit 2
}
BINARY="$(realpath "$1")"
RESULTS="$(realpath --canonicalize-missing "${2:-robustness_results}")"
readonly BINARY RESULTS
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
mkdir -p "${RESULTS}" || exit 2
failed=0

# drive NAME [FLAG...]: one driver, and its row.
drive() {
  local started="${SECONDS}" log="${RESULTS}/$1.txt"
  python3 "tools/robustness/$1.py" "${BINARY}" "${@:2}" >"${log}" 2>&1 || failed=1
  printf '| %s %s | %s | %d |\n' "$1" "${*:2}" "$(tail -n 1 "${log}")" "$((SECONDS - started))" |
    tee -a "${RESULTS}/results.md"
}

printf '| driver | result | seconds |\n|---|---|---|\n' >"${RESULTS}/results.md"
drive overwrite_test --thorough
drive signals_test --moments="${MOE_SIGNAL_MOMENTS:-20}"
drive limits_test --points="${MOE_LIMIT_POINTS:-40}"
drive kill_test --points="${MOE_KILL_POINTS:-200}"
drive model_changes_test --steps=1,2,3,4,5,6,7,8,9,10
exit "${failed}"
