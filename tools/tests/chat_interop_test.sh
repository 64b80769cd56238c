#!/usr/bin/env bash
# Conversations under chat templates in the shapes that checkpoints carry: ids and the
# assistant's labels are those of apply_chat_template. Runs where $MOE_PYTHON, or else
# python3, can import transformers; elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:chat_interop_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh transformers safetensors jinja2

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/chat.XXXXXX")"
trap 'rm -rf "${work}"' EXIT

"${PYTHON}" "${SCRIPT}" make "${work}" testdata/tokenizers
for model in "${work}"/*/; do
  "${LLAMA_MOE}" tokenize --model_path="${model}" --keep_system --progress=none \
    --dataset_dir_or_path="${work}/conversations.jsonl" \
    --save_path="${model%/}.safetensors" >/dev/null
done
"${PYTHON}" "${SCRIPT}" check "${work}"
echo "PASSED"
