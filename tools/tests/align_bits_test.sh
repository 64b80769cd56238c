#!/usr/bin/env bash
# The hidden distribution of a dense model, and the alignment of converted ones with it,
# are the same bytes whatever the machine is told to do: threads, SIMD targets, memory
# budgets, shards, and the variables and libraries by which other programs' results move.
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly FLUSH_TO_ZERO="${PWD}/$2"
failures=0

# shellcheck source=tools/tests/every_machine.sh
source tools/tests/every_machine.sh

readonly WORK="${TEST_TMPDIR:-/tmp}/align"
mkdir -p "${WORK}"

# SHA-256 of distribution.safetensors, and for each converted model of
# scale_factors.safetensors and model.safetensors, computed on the first machine: pins the
# bytes everywhere. The tool's version is part of them.
readonly WANT_DISTRIBUTION=7c079797c18749b18daf6ce0235069945302ebc51eb6de82397332ef5c201518
declare -rA WANT=(
  [vanilla]="4d047040335c2acf8582f723f63d919d76f5cc705692e5b3f01712771ac9037a 698b96832ecc69524417f47e2d6e3f5a7966dac9df7161adf051d327d832a809"
  [both]="83d2be96650bc8ce6b61cd8ceb6badf6a74a1366770ee5b99af624cc51fa1138 58c1d71fbf8d7c450b6f35a73d6bb0008da533301ee2e347190b3548f6ba88b7"
)

readonly DATASET=(--dataset_dir_or_path=testdata/stories --max_steps=3 --batch_size=4
  --model_max_length=256 --seed=5)

# run STEP [FLAG...]: the digest of the artifact that the step wrote.
run() {
  "${LLAMA_MOE}" "$@" --progress=none --json --overwrite |
    sed -n 's/^  "sha256": "\([0-9a-f]*\)".*/\1/p'
}

# compare WHAT GOT WANT
compare() {
  [[ "$2" == "$3" ]] && return
  printf '%s: got %s, want %s\n' "$1" "$2" "$3"
  failures=$((failures + 1))
}

record() {
  run get_hidden_distribution --model_path=testdata/llama_gqa_bf16 "${DATASET[@]}" \
    --save_path="${WORK}/reference" "$@"
}

# expect_distribution WHAT [FLAG...]: in the environment of the caller.
expect_distribution() {
  local got
  got="$(record "${@:2}")" || got="an error"
  compare "distribution, $1" "${got}" "${WANT_DISTRIBUTION}"
}

# expect_aligned MODEL WHAT [FLAG...]
expect_aligned() {
  local got
  got="$(run align_converted_model --model_path="${WORK}/$1" "${DATASET[@]}" \
    --reference_distribution_file="${WORK}/reference/distribution.safetensors" \
    --save_path="${WORK}/$1_aligned" "${@:3}")" || got="an error"
  got+=" $(sha256sum <"${WORK}/$1_aligned/model.safetensors" | cut -d' ' -f1)"
  compare "$1, $2" "${got}" "${WANT[$1]}"
}

# expect_merged SHARDS
expect_merged() {
  local shard parts=()
  for ((shard = $1 - 1; shard >= 0; --shard)); do
    record --shards="$1" --shard="${shard}" >/dev/null
    parts+=("${WORK}/reference/distribution.part-${shard}-of-$1.safetensors")
  done
  compare "distribution of $1 shards" \
    "$(run get_hidden_distribution --save_path="${WORK}/reference" --merge "${parts[@]}")" \
    "${WANT_DISTRIBUTION}"
}

"${LLAMA_MOE}" convert_mixtral --model_path=testdata/llama_gqa_bf16 --seed=1 \
  --save_path="${WORK}/vanilla" --num_experts=4 --progress=none >/dev/null
"${LLAMA_MOE}" convert_mixtral_attn_moe --model_path="${WORK}/vanilla" --seed=2 --top_k_attn=2 \
  --scale_factor_attn=3 --save_path="${WORK}/both" --progress=none >/dev/null

every_machine "${FLUSH_TO_ZERO}" expect_distribution
for shards in 1 2 5 8; do
  expect_merged "${shards}"
done
for model in "${!WANT[@]}"; do
  every_machine "${FLUSH_TO_ZERO}" expect_aligned "${model}"
done
# From little more than one layer to everything.
for budget in 10MiB 64MiB 4GiB; do
  expect_distribution "--memory_budget=${budget}" --memory_budget="${budget}"
  expect_aligned both "--memory_budget=${budget}" --memory_budget="${budget}"
done
((failures == 0)) && echo "PASSED"
exit $((failures > 0))
