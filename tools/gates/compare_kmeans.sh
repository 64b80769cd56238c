#!/usr/bin/env bash
# Runs compare_kmeans.py with the Python of tools/python/venv.sh and
# requirements_kmeans.txt.
#
#   tools/gates/compare_kmeans.sh CLUSTER [--threads N] ...
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="$("${here}/../python/venv.sh" "${here}/../python/requirements_kmeans.txt")"
exec "${python}" "${here}/compare_kmeans.py" "$@"
