#!/usr/bin/env bash
# Conversations under chat templates in the shapes that checkpoints carry, and of families
# by their names: ids and the assistant's labels are those of apply_chat_template. Runs
# where $MOE_PYTHON, or else python3, can import transformers; elsewhere it says that it was
# skipped and passes.
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

# encode MODEL [FLAG...]
encode() {
  "${LLAMA_MOE}" tokenize --model_path="$1" --progress=none "${@:2}" \
    --dataset_dir_or_path="${work}/conversations.jsonl" --save_path="$1.safetensors" >/dev/null
}

for template in "${work}"/*/chat_template.jinja; do
  encode "${template%/*}" --keep_system
done
for family in "${work}"/by_name/*/; do
  family="${family%/}"
  # Gemma has no rule for a system turn.
  flags=(--keep_system)
  [[ "${family}" != */gemma ]] || flags=()
  encode "${family}" --chat_template="${family##*/}" "${flags[@]}"
  encode "${family/by_name/own}" "${flags[@]}"
done
"${PYTHON}" "${SCRIPT}" check "${work}"
echo "PASSED"
