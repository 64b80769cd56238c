#!/usr/bin/env bash
# LibTorch is loaded by the commands that need it and by no other, from wherever
# llama_moe is built or installed.
set -uo pipefail

readonly LLAMA_MOE="$1"
readonly PLUGIN="$2"
readonly DENSE=testdata/llama_gqa_bf16
readonly LIBRARIES="${TEST_TMPDIR}/libraries"
# LibTorch brings most of those.
readonly MAX_LIBRARIES=100
failures=0

fail() {
  printf '%s\n' "$@"
  failures=$((failures + 1))
}

# run STATUS PROGRAM ARGUMENT...: puts the libraries that the program starts with or
# loads into LIBRARIES, and what it prints into `out`.
run() {
  local want="$1" status=0
  shift
  rm -f "${LIBRARIES}".*
  LD_DEBUG=libs LD_DEBUG_OUTPUT="${LIBRARIES}" "$@" >"${TEST_TMPDIR}/out" 2>&1 || status=$?
  cat "${LIBRARIES}".* | sed -n 's/^.*calling init: //p' >"${LIBRARIES}"
  ((status == want)) ||
    fail "$*: exit status ${status}, expected ${want}:" "$(<"${TEST_TMPDIR}/out")"
}

# expect_without STATUS PROGRAM ARGUMENT...: the run maps nothing of LibTorch.
expect_without() {
  local count
  run "$@"
  if grep -E '/lib(torch|c10|openblas|blas|gomp|caffe2)' "${LIBRARIES}"; then
    fail "$*: expected no library of LibTorch, found those above"
  fi
  count="$(wc -l <"${LIBRARIES}")"
  printf '%s: %d libraries\n' "${*:2}" "${count}"
  ((count > 0 && count <= MAX_LIBRARIES)) ||
    fail "$*: expected 1 to ${MAX_LIBRARIES} libraries, found ${count}"
}

# expect_with STATUS PROGRAM ARGUMENT...: the run maps LibTorch.
expect_with() {
  run "$@"
  grep -q '/libtorch_cpu' "${LIBRARIES}" || fail "$*: expected LibTorch, found none"
}

readonly SPLIT=(split_random "--model_path=${DENSE}" --overwrite --progress=none)
readonly EVALUATE=(evaluate "--model_path=${DENSE}" --max_steps=1 --progress=none
  --dataset_dir_or_path=testdata/stories/text.jsonl)

expect_without 0 "${LLAMA_MOE}" help
expect_without 0 "${LLAMA_MOE}" help evaluate
expect_without 0 "${LLAMA_MOE}" --version
expect_without 2 "${LLAMA_MOE}" --no_such_flag
expect_without 2 "${LLAMA_MOE}" evaluate --no_such_flag
expect_without 0 "${LLAMA_MOE}" "${SPLIT[@]}" --save_path="${TEST_TMPDIR}/split"
expect_with 0 "${LLAMA_MOE}" "${SPLIT[@]}" --save_path="${TEST_TMPDIR}/split" --format=pt
expect_without 0 "${LLAMA_MOE}" inspect "${TEST_TMPDIR}/split/neuron_indices.pt"
expect_without 0 "${LLAMA_MOE}" "${EVALUATE[@]}"
expect_with 0 "${LLAMA_MOE}" "${EVALUATE[@]}" --numerics=aten

# A program without its plugin says what is missing, and needs it no more than above.
mkdir -p "${TEST_TMPDIR}/prefix/bin" "${TEST_TMPDIR}/prefix/lib/llama_moe"
readonly INSTALLED="${TEST_TMPDIR}/prefix/bin/llama_moe"
cp "${LLAMA_MOE}" "${INSTALLED}"
unset RUNFILES_DIR
# The copy does not find this library by its path from the program.
LD_LIBRARY_PATH="$(ldd "${LLAMA_MOE}" | sed -n 's|^.*=> \(.*\)/libsentencepiece_[^/]*$|\1|p')"
export LD_LIBRARY_PATH
expect_without 0 "${INSTALLED}" "${EVALUATE[@]}"
expect_without 2 "${INSTALLED}" "${EVALUATE[@]}" --numerics=aten
grep -qF "expected the plugin that uses LibTorch at ${TEST_TMPDIR}/prefix/bin/" \
  "${TEST_TMPDIR}/out" || fail "no plugin:" "$(<"${TEST_TMPDIR}/out")"
# It says so before it works, and writes nothing.
readonly UNWRITTEN="${TEST_TMPDIR}/unwritten"
expect_without 2 "${INSTALLED}" "${SPLIT[@]}" --save_path="${UNWRITTEN}" --format=pt
grep -qE -e "--format=pt: .*: expected the plugin" "${TEST_TMPDIR}/out" ||
  fail "no plugin:" "$(<"${TEST_TMPDIR}/out")"
[[ ! -e "${UNWRITTEN}" ]] || fail "expected no ${UNWRITTEN}, found" "$(ls "${UNWRITTEN}")"
MOE_TORCH_PLUGIN="${PWD}/${PLUGIN}" expect_with 0 "${INSTALLED}" "${EVALUATE[@]}" --numerics=aten
cp "${PLUGIN}" "${TEST_TMPDIR}/prefix/lib/llama_moe"
expect_with 0 "${INSTALLED}" "${EVALUATE[@]}" --numerics=aten

((failures == 0)) && echo "PASSED"
