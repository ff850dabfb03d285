#!/usr/bin/env bash
# Everything that has to pass before a change is merged:   bash scripts/test.sh
# Without end-to-end runs, while working:                  bash scripts/test.sh quick [arguments of pytest]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/setup.sh requirements-dev.txt

export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}  # the networks of the tests are too small to share among threads
trap 'python -m tests.browser "$@"' EXIT  # ends with a line that says whether the pages were tested in a browser
python -m ruff check .
if [ "${1:-}" = quick ]; then
    python -m pytest -n 2 --dist loadfile -m "not slow" "${@:2}"
else
    python -m pytest -n 2 --dist loadfile "$@"
fi
