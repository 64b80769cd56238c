#!/usr/bin/env bash
# Token artifacts of `llama_moe tokenize` against apply_chat_template of transformers:
# ids and the assistant's tokens, line by line. Runs where $MOE_PYTHON, or else
# python3, can import transformers; elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:tokens_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/tokens.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

# compare TEMPLATE TOKENIZER LINES
compare() {
  rm -f "${work}/tokens.safetensors"
  "${LLAMA_MOE}" tokenize --model_path="$2" --dataset_dir_or_path="$3" \
    --save_path="${work}/tokens.safetensors" --chat_template="$1" --keep_system \
    --progress=none >/dev/null
  "${PYTHON}" "${SCRIPT}" check "$1" "$2" "$3" "${work}/tokens.safetensors"
}

"${PYTHON}" "${SCRIPT}" cases "${work}/cases.jsonl"
for lines in "${work}/cases.jsonl" testdata/stories/conversations.jsonl \
  testdata/stories/messages.jsonl; do
  compare llama3 testdata/tokenizers/llama3_style "${lines}"
  compare llama3 testdata/llama_gqa_bf16 "${lines}"
  compare chatml testdata/tokenizers/smollm2_style "${lines}"
done
echo "PASSED"
