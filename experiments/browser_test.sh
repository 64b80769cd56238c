#!/usr/bin/env bash
# A test that opens pages in a browser.
#
#   browser_test.sh SCRIPT ARGUMENT...
#
# runs the Python script with these arguments and --browser=PROGRAM --out=DIRECTORY.
# MOE_BROWSER names a Chromium; else it is looked for on PATH. Where there is none the
# test says that it was skipped. What the script writes to DIRECTORY is among the test's
# outputs.
set -euo pipefail

browser="${MOE_BROWSER:-}"
if [[ -z "${browser}" ]]; then
  browser="$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)"
fi
if [[ -z "${browser}" ]] || ! command -v python3 >/dev/null; then
  echo "SKIPPED: no Chromium (MOE_BROWSER names one), or no python3"
  exit 0
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$@" --browser="${browser}" --out="${TEST_UNDECLARED_OUTPUTS_DIR:-${TEST_TMPDIR}}"
