#!/usr/bin/env bash
# Runs finetune_compare.py with the Python of tools/python/venv.sh.
#
#   tools/real_model/finetune_compare.sh --checkpoints NAME=DIR ... --train FILE ...
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="$("${here}/../python/venv.sh")"
exec "${python}" "${here}/finetune_compare.py" "$@"
