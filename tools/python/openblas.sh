#!/usr/bin/env bash
# Prints the path of a current OpenBLAS, the one inside NumPy's wheel, for
# //benchmarks:kernels_benchmark to compare with. See venv.sh for the environment.
set -euo pipefail

HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly HERE

python="$("${HERE}/venv.sh")"
"${python}" - <<'END'
import pathlib
import sys

import numpy

found = sorted(pathlib.Path(numpy.__file__).parents[1].glob("numpy.libs/*openblas64*"))
if not found:
    sys.exit("openblas: error: this NumPy brings no 64-bit OpenBLAS: install a wheel from PyPI")
print(found[0])
END
