#!/usr/bin/env bash
# The losses of every fixture have the same digest whatever the machine is told to do:
# threads, SIMD targets, memory budgets, batches, and the variables and libraries by
# which other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0
got=

# Computed on the first machine: pins the bits everywhere.
declare -rA WANT=(
  [llama_gqa_bf16]=05661d9dd0f38d39c0d59b2f012e59503a147477fd96174d2bb67de368950a14
  [llama_mha_f32_sharded]=b3fe95eb45453b273f3d68aba0595c59d42890f1676e71ca5450b85046a8e8dc
  [llama_headdim_f16]=694d24a3d05866448d14095cb7f19630a6bd9198571db3f05ee78cd632e6c19f
)

# digest MODEL [FLAG...]
digest() {
  "${LLAMA_MOE}" evaluate --model_path="testdata/$1" --progress=none --json \
    --dataset_dir_or_path=testdata/stories/text.jsonl --no_shuffle \
    "${@:2}" | sed -n 's/.*"losses_digest": "\([0-9a-f]*\)".*/\1/p'
}

# expect WHAT MODEL [FLAG...]: in the environment of the caller.
expect() {
  local got
  got="$(digest "${@:2}")" || got="an error"
  [[ -n "${got}" && "${got}" == "${WANT[$2]}" ]] && return
  printf '%s, %s: got %s, want %s\n' "$2" "$1" "${got}" "${WANT[$2]}"
  failures=$((failures + 1))
}

for model in "${!WANT[@]}"; do
  for threads in 1 2 3 7; do
    MOE_NUM_THREADS="${threads}" expect "${threads} threads" "${model}" --max_steps=24
  done
  export MOE_NUM_THREADS=2
  for target in avx512 avx2 sse4 neon scalar; do
    # Not every machine has every target.
    if MOE_SIMD_TARGET="${target}" digest "${model}" --max_steps=1 2>&1 >/dev/null |
      grep --quiet MOE_SIMD_TARGET; then
      continue
    fi
    MOE_SIMD_TARGET="${target}" expect "${target}" "${model}" --max_steps=24
  done
  # From little more than one layer to everything.
  for budget in 6MiB 12MiB 64MiB 4GiB; do
    expect "--memory_budget=${budget}" "${model}" --max_steps=24 --memory_budget="${budget}"
  done
  expect "batches of 3" "${model}" --batch_size=3 --max_steps=8
  expect "batches of 8" "${model}" --batch_size=8 --max_steps=3
  for setting in ATEN_CPU_CAPABILITY=default OPENBLAS_CORETYPE=Prescott \
    OPENBLAS_NUM_THREADS=1 ONEDNN_MAX_CPU_ISA=SSE41 MKL_CBWR=COMPATIBLE \
    OMP_NUM_THREADS=3 TMPDIR="${TEST_TMPDIR:-/tmp}"; do
    # Set for the program alone.
    if ! got="$(export "${setting?}" && digest "${model}" --max_steps=24)" ||
      [[ "${got}" != "${WANT[${model}]}" ]]; then
      printf '%s, %s: got %s\n' "${model}" "${setting}" "${got}"
      failures=$((failures + 1))
    fi
  done
  # A library that sets flush-to-zero for the process, as those linked with
  # -Ofast do.
  LD_PRELOAD="${FLUSH_TO_ZERO}" expect "flush-to-zero" "${model}" --max_steps=24
done
((failures == 0)) && echo "PASSED"
exit $((failures > 0))
