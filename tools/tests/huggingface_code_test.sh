#!/usr/bin/env bash
# The model code that travels with a converted checkpoint, in transformers: against the
# formulas, LLaMA and Mixtral; generate(), training, files; and the goldens of testdata/moe.
#
# PYTHON_VARIABLE names the variable that names the Python, so that the code runs with
# two lines of transformers: MOE_PYTHON (or else python3) and MOE_PYTHON_NEXT. Without
# one that can import torch and transformers it says that it was skipped and passes.
#
#   bazel test --test_env=MOE_PYTHON=… --test_env=MOE_PYTHON_NEXT=… \
#     //tools/tests:huggingface_code_test //tools/tests:huggingface_code_next_test
set -euo pipefail

# huggingface_code_test.sh PYTHON_VARIABLE
# shellcheck disable=SC2034 # interop_python.sh reads it.
readonly PYTHON_VARIABLE="$1"
# shellcheck source=tools/tests/interop_python.sh
source tools/tests/interop_python.sh torch transformers safetensors

work="$(mktemp -d "${TEST_TMPDIR:-/tmp}/huggingface.XXXXXX")"
trap 'rm -rf "${work}"' EXIT
# Where transformers puts the code that it loads.
export HF_HOME="${work}" HF_HUB_OFFLINE=1

"${PYTHON}" -c 'import torch, transformers
print("transformers", transformers.__version__, "torch", torch.__version__)'
"${PYTHON}" tools/fixtures/make_moe_fixtures.py --out testdata/moe --check
"${PYTHON}" tools/python/huggingface_code_test.py
"${PYTHON}" tools/python/huggingface_training_test.py
echo "PASSED"
