#!/usr/bin/env bash
# Runs compare_loss.py with the Python of tools/python/venv.sh.
#
#   tools/real_model/compare_loss.sh LLAMA_MOE MODEL_DIR [--speed] ...
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="$("${here}/../python/venv.sh")"
exec "${python}" "${here}/compare_loss.py" "$@"
