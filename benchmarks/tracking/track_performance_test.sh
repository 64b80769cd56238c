#!/usr/bin/env bash
# Runs track_performance with a program that stands in for a benchmark: exit statuses,
# history and page.
set -uo pipefail

readonly TRACK="${PWD}/$1"
failures=0

# benchmark BODY [ROW]: what the stand-in does, after which it writes a figure of the row:
# the first line of figures.txt, which is taken away.
benchmark() {
  mkdir -p programs
  cat >programs/stand_in <<END
#!/bin/bash
$1
for word; do [[ "\${word}" != --benchmark_out=* ]] || out="\${word#*=}"; done
printf '{"context": {"simd_target": "abacus"}, "benchmarks": [{"name": "${2:-BM_A}", "ratio": %s}]}' \\
  "\$(head -n 1 figures.txt)" >"\${out}"
sed -i 1d figures.txt
END
  chmod +x programs/stand_in
}

# expect STATUS STREAM TEXT ARGUMENT...: runs the program with the arguments.
expect() {
  local want_status="$1" stream="$2" want_text="$3" status=0
  shift 3
  "${TRACK}" --registry=registry.toml --benchmarks=programs "$@" >out 2>err || status=$?
  if ((status != want_status)) || ! grep --quiet --fixed-strings -e "${want_text}" "${stream}"; then
    printf 'track_performance %s: exit status %d, wanted %d and "%s" in %s:\n' \
      "$*" "${status}" "${want_status}" "${want_text}" "${stream}"
    cat out err
    failures=$((failures + 1))
  fi
}

# lines FILE NUMBER
lines() {
  local found=0
  [[ ! -e "$1" ]] || found="$(wc -l <"$1")"
  if ((found != $2)); then
    printf '%s has %d lines, wanted %d\n' "$1" "${found}" "$2"
    failures=$((failures + 1))
  fi
}

cd "${TEST_TMPDIR}" || exit 1
cat >registry.toml <<'END'
[[metric]]
name = "some/metric"
benchmark = "stand_in"
row = "BM_A"
counter = "ratio"
unit = "times"
direction = "LOWER_IS_BETTER"
baseline = 2
threshold = 0.25
owner = "base"
END
record=(--history=history.jsonl --html=trend.html --revision=4f3a)

benchmark ''
echo 2.1 >figures.txt
expect 0 out "as before" "${record[@]}"
printf '%s\n' 3 2.2 2.4 >figures.txt
expect 0 out "median of 3" "${record[@]}"
printf '%s\n' 3 2.2 2.6 >figures.txt
expect 1 out "regression" "${record[@]}"
echo 1 >figures.txt
expect 0 out "better" "${record[@]}"
lines history.jsonl 4
grep --quiet '"revision":"4f3a".*"abacus".*"measurements":{"some/metric":3}' history.jsonl || {
  echo "no revision, SIMD target or measurements in the history:"
  cat history.jsonl
  failures=$((failures + 1))
}
grep --quiet "<svg" trend.html || {
  echo "no chart in trend.html"
  failures=$((failures + 1))
}

# Files lie where the user says.
# shellcheck disable=SC2016  # The stand-in expands it.
benchmark 'echo "files in ${MOE_BENCHMARK_DIR}" >&2'
echo 2 >figures.txt
MOE_BENCHMARK_DIR=here expect 0 err "files in here"

# What goes wrong adds nothing to the history.
benchmark 'exit 7'
expect 2 err "ended with status 7" "${record[@]}"
benchmark '' BM_B
echo 1 >figures.txt
expect 2 err 'no row "BM_A"; there are: BM_B' "${record[@]}"
expect 2 err "no metric" --only=other
expect 2 err "--historie" --historie=x
expect 2 err "was not expected: word" word
expect 2 err '--only: expected a value, found the flag "--history=x"' --only --history=x
expect 2 err "--only: expected a value" --only
expect 2 err '--only: expected a value, found ""' --only ''
expect 2 err '--only: expected one value, found "a" and "b"' --only=a --only b
expect 2 err "--revision is no text" --revision=$'\xff'
expect 2 err "--only= has nothing" --only=
expect 2 err "no/such" --registry=no/such
lines history.jsonl 4
echo nonsense >>history.jsonl
expect 2 err "history.jsonl, line 5" "${record[@]}"
expect 0 out "usage" --help

((failures == 0)) || exit 1
