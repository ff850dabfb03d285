#!/usr/bin/env bash
# Train several methods on one setting, with one step 0 for those that share it, and print one table:
#   bash scripts/compare.sh --methods FT MiB PLOP --seeds 42 1 2 -- --dataset shapes --task 4-1
# and choose values on training images held out:  ... --grid loss_kd=1,10,100 --val_share 0.2 -- ...
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/setup.sh requirements.txt
exec python -m scripts.compare "$@"
