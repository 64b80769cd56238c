#!/usr/bin/env bash
# The router weights of every fixture are the same bytes whatever the machine is told to
# do: threads, SIMD targets, memory budgets, and the variables and libraries by which
# other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0

# shellcheck source=tools/tests/every_machine.sh
source tools/tests/every_machine.sh

# SHA-256 of gate_weights.safetensors, computed on the first machine: pins the bytes
# everywhere. The tool's version is part of them.
declare -rA WANT=(
  [hidden_clustering:llama_gqa_bf16]=728d90f5ed887d6f9e9fab03ed56624c41b5594b32c4af5e5f448ff1944eb6b2
  [random_selection:llama_mha_f32_sharded]=ce3709f300f9cbfbcc2bbe215d6f6fad5e38b9c1b08cd30fde8a3a8969a2db0d
)

# expect STEP:MODEL WHAT [FLAG...]: in the environment of the caller.
expect() {
  local flags=(--num_experts=8) got
  [[ "${1%%:*}" == random_selection ]] || flags+=(--n_init=3)
  got="$("${LLAMA_MOE}" "${1%%:*}" --model_path="testdata/${1#*:}" --progress=none --json \
    --dataset_dir_or_path=testdata/stories --max_steps=24 --model_max_length=256 --seed=5 \
    --save_path="${TEST_TMPDIR:-/tmp}/gates" --overwrite "${flags[@]}" "${@:3}" |
    sed -n 's/^  "sha256": "\([0-9a-f]*\)".*/\1/p')" || got="an error"
  [[ "${got}" == "${WANT[$1]}" ]] && return
  printf '%s, %s: got %s, want %s\n' "$1" "$2" "${got}" "${WANT[$1]}"
  failures=$((failures + 1))
}

for what in "${!WANT[@]}"; do
  every_machine "${FLUSH_TO_ZERO}" expect "${what}"
  # From little more than one layer to everything.
  for budget in 10MiB 64MiB 4GiB; do
    expect "${what}" "--memory_budget=${budget}" --memory_budget="${budget}"
  done
done
((failures == 0)) && echo "PASSED"
exit $((failures > 0))
