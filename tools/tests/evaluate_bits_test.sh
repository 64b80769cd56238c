#!/usr/bin/env bash
# The losses of every fixture have the same digest whatever the machine is told to do:
# threads, SIMD targets, memory budgets, batches, and the variables and libraries by
# which other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0
steps=24
dataset=testdata/stories/text.jsonl

# shellcheck source=tools/tests/every_machine.sh
source tools/tests/every_machine.sh

# Computed on the first machine: pins the bits everywhere.
declare -rA WANT=(
  [llama_gqa_bf16]=05661d9dd0f38d39c0d59b2f012e59503a147477fd96174d2bb67de368950a14
  [llama_mha_f32_sharded]=b3fe95eb45453b273f3d68aba0595c59d42890f1676e71ca5450b85046a8e8dc
  [llama_headdim_f16]=694d24a3d05866448d14095cb7f19630a6bd9198571db3f05ee78cd632e6c19f
  [moe/residual]=5512b98cd5f402c52e71aabaf37ee3d3ce65b8e09b6acee4ab6d74c21efe3c1a
  [moe/attention]=4ae3b9d8abf7539edfc2bcd5f4e3b874075611cdbbad177c1c5a4c953d1ad8c2
  [moe/biases]=21b61e435058b10ee18813bfba252b9b0ea2a008df77397f8096cfb5564fd621
)

# expect MODEL WHAT [FLAG...]: in the environment of the caller.
expect() {
  local got
  got="$("${LLAMA_MOE}" evaluate --model_path="testdata/$1" --progress=none --json \
    --dataset_dir_or_path="${dataset}" --no_shuffle \
    --max_steps="${steps}" "${@:3}" | sed -n 's/.*"losses_digest": "\([0-9a-f]*\)".*/\1/p')" || got="an error"
  [[ "${got}" == "${WANT[$1]}" ]] && return
  printf '%s, %s: got %s, want %s\n' "$1" "$2" "${got}" "${WANT[$1]}"
  failures=$((failures + 1))
}

# Those with experts have a vocabulary of 64 and no tokenizer: 24 sequences of 1 to 116
# tokens.
ids="$(mktemp "${TEST_TMPDIR:-/tmp}/ids.XXXXXX.jsonl")"
trap 'rm -f "${ids}"' EXIT
for ((s = 0; s < 24; ++s)); do
  line=""
  for ((t = 0; t <= 5 * s; ++t)); do
    line+="${line:+, }$(((t * t + 7 * t + 11 * s) % 64))"
  done
  printf '{"input_ids": [%s]}\n' "${line}"
done >"${ids}"
readonly ids

for model in "${!WANT[@]}"; do
  [[ "${model}" == moe/* ]] && dataset="${ids}" || dataset=testdata/stories/text.jsonl
  every_machine "${FLUSH_TO_ZERO}" expect "${model}"
  # From little more than one layer to everything.
  for budget in 6MiB 12MiB 64MiB 4GiB; do
    expect "${model}" "--memory_budget=${budget}" --memory_budget="${budget}"
  done
  steps=8 expect "${model}" "batches of 3" --batch_size=3
  steps=3 expect "${model}" "batches of 8" --batch_size=8
done
((failures == 0)) && echo "PASSED"
exit $((failures > 0))
