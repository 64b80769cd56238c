#!/usr/bin/env bash
# Runs fetch_smollm2.py with the Python of tools/python/venv.sh.
#
#   tools/real_model/fetch_smollm2.sh DIR [--dtype D] [--overwrite]
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="$("${here}/../python/venv.sh")"
exec "${python}" "${here}/fetch_smollm2.py" "$@"
