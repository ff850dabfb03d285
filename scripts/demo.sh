#!/usr/bin/env bash
# See forgetting, and two ways against it, on generated images:   bash scripts/demo.sh
#
# Six classes arrive in three steps (4, then 1, then 1). Fine-tuning, MiB and DFT* learn them one step after the
# other; joint training sees all at once. Needs no data, no GPU and, after the set-up, less than five minutes on two
# cores. What it writes is in outputs/demo and begun anew each time; the backbone is pre-trained once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/setup.sh requirements.txt

# These networks gain nothing from a second thread, but a run that has a core to itself does.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

out=outputs/demo
backbone=pretrained/tiny_shapes.pth
rm -rf "$out"
mkdir -p "$out"
began=$SECONDS

if [ ! -f "$backbone" ]; then
    echo "== pre-training a backbone on other generated classes (once)"
    python -m scripts.pretrain_shapes --path "$backbone" --cache_dir "$out/cache" --logdir "$out/logs"
fi
run=(python run.py --dataset shapes --pretrained_path "$backbone" --checkpoint "$out/checkpoints"
    --results_dir "$out/results" --logdir "$out/logs" --cache_dir "$out/cache")
train() {
    echo "== $*"
    "${run[@]}" "$@"
}
beside() {  # another run on the core that is left, where there is one
    local name=$1
    shift
    echo "== $*, beside the next: $out/$name.log"
    "${run[@]}" "$@" > "$out/$name.log" 2>&1 &
    logs[$!]=$out/$name.log
}
logs=()  # of those beside, by process
trap 'kill "${!logs[@]}" 2> /dev/null || true' EXIT
beside joint --method FT --task offline  # all classes at once
train --method FT --task 4-1
# The first step of MiB is that of fine-tuning, and is taken over from there; that of DFT* has more rows.
beside DFT_STAR --method DFT_STAR --task 4-1
train --method MiB --task 4-1
echo "== waiting for those beside"
for job in "${!logs[@]}"; do
    wait "$job" || { cat "${logs[$job]}" >&2; exit 1; }
done

python -m scripts.demo_report "$out"
python -m analysis.report "$out/results" --out "$out/report" > /dev/null
echo "curves, class maps and confusion matrices: open $out/report/report.html in a browser"
echo "took $((SECONDS - began)) s after the set-up"
