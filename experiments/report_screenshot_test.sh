#!/usr/bin/env bash
# The report of an experiment in a browser: light, dark, and on a phone.
#
#   report_screenshot_test.sh REPORT_DIRECTORY SCRIPT
#
# MOE_BROWSER names a Chromium; else it is looked for on PATH. Where there is none the
# test says that it was skipped. Screenshots are among the test's outputs.
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
exec python3 "$2" --browser="${browser}" --report="$1/report.html" \
  --json="$1/report.json" --out="${TEST_UNDECLARED_OUTPUTS_DIR:-${TEST_TMPDIR}}"
