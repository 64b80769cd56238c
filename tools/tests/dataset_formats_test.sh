#!/usr/bin/env bash
# The same rows in every form and format of a dataset give the ids and labels that
# transformers gives. Runs where $MOE_PYTHON, or else python3, can import transformers;
# elsewhere it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=/path/to/python //tools/tests:dataset_formats_test
set -euo pipefail

readonly LLAMA_MOE="$1"
readonly SCRIPT="$2"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/formats.XXXXXX")"
trap 'rm -rf "${work}"' EXIT
readonly MODEL=testdata/llama_gqa_bf16

"${PYTHON}" "${SCRIPT}" make "${work}"
while IFS= read -r file; do
  flag="$(basename "$(dirname "${file}")")"
  [[ "${flag}" == --* ]] || flag=--json
  "${LLAMA_MOE}" tokenize --model_path="${MODEL}" --dataset_dir_or_path="${file}" \
    --save_path="${file}.safetensors" --progress=none "${flag}" >/dev/null
done < <(find "${work}" -type f | sort)
"${PYTHON}" "${SCRIPT}" check "${work}" "${MODEL}"
echo "PASSED"
