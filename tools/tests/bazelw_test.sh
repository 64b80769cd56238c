#!/usr/bin/env bash
# What bazelw tells Bazel of the shell that it is called from; a program that prints the
# flags stands in for Bazel.
set -uo pipefail

failures=0

cat >"${TEST_TMPDIR}/bazel" <<'END'
#!/bin/bash
[[ "$1" != --version ]] || { echo "bazel 7.7.1" && exit; }
for word; do
  echo "${word}"
  [[ "${word}" != --bazelrc=* ]] || cat "${word#*=}"
done
END
chmod +x "${TEST_TMPDIR}/bazel"

# expect STATUS LINES VARIABLE=VALUE...: runs bazelw with the variables. Each line of
# LINES has to be printed; one that begins with "!", without it, must not be.
expect() {
  local want_status="$1" lines="$2" status=0 out line
  shift 2
  out="$(env -u MOE_NUM_THREADS -u MOE_SIMD_TARGET MOE_NO_INSTALL=1 LIBTORCH_HOME=/ \
    MOE_BAZEL="${TEST_TMPDIR}/bazel" MOE_CACHE_DIR="${TEST_TMPDIR}/cache" "$@" \
    ./bazelw test //some:test 2>&1)" || status=$?
  while read -r line; do
    if [[ "${line}" == !* ]]; then
      ! grep --quiet --fixed-strings -e "${line#!}" <<<"${out}" && continue
    else
      grep --quiet --fixed-strings -e "${line}" <<<"${out}" && continue
    fi
    printf 'bazelw with %s: "%s" fails in:\n%s\n' "$*" "${line}" "${out}"
    failures=$((failures + 1))
  done <<<"${lines}"
  if ((status != want_status)); then
    printf 'bazelw with %s: exit status %d, wanted %d:\n%s\n' "$*" "${status}" "${want_status}" "${out}"
    failures=$((failures + 1))
  fi
}

expect 0 $'//some:test\nbuild "--disk_cache=\n!step_env\n!--test_env' A=B
expect 0 $'build --define=step_env.MOE_NUM_THREADS=1\ntest --test_env=MOE_NUM_THREADS=1\n!MOE_SIMD' \
  MOE_NUM_THREADS=1
expect 0 $'step_env.MOE_NUM_THREADS=2\nbuild --define=step_env.MOE_SIMD_TARGET=avx2\ntest --test_env=MOE_SIMD_TARGET=avx2' \
  MOE_NUM_THREADS=2 MOE_SIMD_TARGET=avx2
# What was said once is forgotten the next time.
expect 0 '!step_env' A=B
expect 1 'MOE_SIMD_TARGET: expected letters and digits, found "avx2 --copt=-Ofast"' \
  MOE_SIMD_TARGET='avx2 --copt=-Ofast'

((failures == 0)) || exit 1
