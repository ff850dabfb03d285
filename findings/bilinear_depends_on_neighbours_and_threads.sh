#!/usr/bin/env bash
# torch 2.14.1, CPU: the last bits of a channel enlarged by F.interpolate(mode="bilinear") depend on how many
# channels lie beside it, and for a picture of three channels on whether one thread works or several.
#
# Channels do not meet in this operation, yet enlarging a slice of channels of a channels_last tensor is not the
# slice of the enlarged tensor, and a three-channel float picture gives other values with one thread than with two
# (two, three and four agree). Several kernels that round differently share the work; layout, number of channels,
# size and number of threads choose among them. So equality to the bit cannot be asked of a class-by-class form,
# nor of one thread against several. mode="bicubic" has neither effect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torch.nn.functional as F


def enlarged(tensor, threads, mode):
    torch.set_num_threads(threads)
    return F.interpolate(tensor, size=(65, 65), mode=mode)


def differing(one, other):
    return f"{(one != other).float().mean():.0%} of the values differ, by {(one - other).abs().max():.1e} at most"


torch.manual_seed(0)
scores, picture = torch.randn(1, 16, 9, 9), torch.rand(1, 3, 24, 24)
last = scores.contiguous(memory_format=torch.channels_last)
print(f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
for mode in ("bilinear", "bicubic"):
    pairs = {
        "channel 3 of 16, contiguous: whole and slice": [
            enlarged(scores, 2, mode)[:, [3]],
            enlarged(scores[:, [3]], 2, mode),
        ],
        "channel 3 of 16, channels_last: whole and slice": [
            enlarged(last, 2, mode)[:, [3]],
            enlarged(last[:, [3]], 2, mode),
        ],
        "three channels: one thread and two": [enlarged(picture, 1, mode), enlarged(picture, 2, mode)],
        "three channels: two threads and four": [enlarged(picture, 2, mode), enlarged(picture, 4, mode)],
    }
    print(mode)
    for name, (one, other) in pairs.items():
        print(f"  {name}: {differing(one, other)}")
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        wanted = mode == "bicubic" or name.endswith(("contiguous: whole and slice", "four"))
        assert torch.equal(one, other) == wanted, f"{name}: equal to the bit {'no longer' if wanted else 'now'}"
PYTHON
echo "seen: bilinear differs in last bits by neighbouring channels and by one thread against two; bicubic does not"
