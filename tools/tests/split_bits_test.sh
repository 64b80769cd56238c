#!/usr/bin/env bash
# The importance scores and neuron splits of two fixtures are the same bytes whatever the
# machine is told to do: threads, SIMD targets, memory budgets, shards, and the variables
# and libraries by which other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0

# shellcheck source=tools/tests/every_machine.sh
source tools/tests/every_machine.sh

readonly WORK="${TEST_TMPDIR:-/tmp}/split"

# SHA-256 of importance_scores.safetensors and of neuron_indices.safetensors, computed on
# the first machine: pins the bytes everywhere. The tool's version is part of them.
declare -rA WANT=(
  [llama_gqa_bf16]="0fe6ccbfb2127c6e3126a98f1267e7b664d52b663f28af1f0bd9f511cf665341 dc135b6b8c50c50ee5de81c08d8286635c69f50fa1c22a06c4bd0a54e112d5ae"
  [llama_mha_f32_sharded]="67fa300d6c7944d5215da08367edd2d026978673c61115ffc2975a0bebb4f55f 46fc6fcb18cd2b050bc938b238d53949d6306f7eb98156c96fca36eb4416cc9c"
)

# run STEP [FLAG...]: the digest of what the step wrote.
run() {
  "${LLAMA_MOE}" "$@" --progress=none --json --overwrite |
    sed -n 's/^  "sha256": "\([0-9a-f]*\)".*/\1/p'
}

walk() {
  echo --model_path="testdata/$1" --dataset_dir_or_path=testdata/stories --max_steps=3 \
    --batch_size=4 --model_max_length=256 --seed=5
}

# get_grads MODEL [FLAG...]
get_grads() {
  # shellcheck disable=SC2046 # A list of flags.
  run split_gradient_get_grads $(walk "$1") --save_path="${WORK}/$1" \
    --gate_weights_file="${WORK}/$1/gate_weights.safetensors" "${@:2}"
}

# compare MODEL WHAT SCORES: with the digest of the scores; splits them.
compare() {
  local got
  got="$3 $(run split_gradient_residual --score_file="${WORK}/$1/importance_scores.safetensors" \
    --save_path="${WORK}/$1")" || got="an error"
  [[ "${got}" == "${WANT[$1]}" ]] && return
  printf '%s, %s: got %s, want %s\n' "$1" "$2" "${got}" "${WANT[$1]}"
  failures=$((failures + 1))
}

# expect MODEL WHAT [FLAG...]: in the environment of the caller.
expect() {
  compare "$1" "$2" "$(get_grads "$1" "${@:3}")"
}

# expect_merged MODEL SHARDS
expect_merged() {
  local shard parts=()
  for ((shard = $2 - 1; shard >= 0; --shard)); do
    get_grads "$1" --shards="$2" --shard="${shard}" >/dev/null
    parts+=("${WORK}/$1/importance_scores.part-${shard}-of-$2.safetensors")
  done
  compare "$1" "$2 shards" \
    "$(run split_gradient_get_grads --save_path="${WORK}/$1" --merge "${parts[@]}")"
}

for model in "${!WANT[@]}"; do
  # shellcheck disable=SC2046 # A list of flags.
  run random_selection $(walk "${model}") --num_experts=7 --save_path="${WORK}/${model}" >/dev/null
  every_machine "${FLUSH_TO_ZERO}" expect "${model}"
  # From little more than one layer to everything.
  for budget in 10MiB 64MiB 4GiB; do
    expect "${model}" "--memory_budget=${budget}" --memory_budget="${budget}"
  done
  for shards in 1 2 5 8; do
    expect_merged "${model}" "${shards}"
  done
done
((failures == 0)) && echo "PASSED"
exit $((failures > 0))
