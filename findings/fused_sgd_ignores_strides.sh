#!/usr/bin/env bash
# torch 2.13.0, CPU: SGD(fused=True) walks through weight and gradient as they lie in memory, whatever their strides.
#
# A channels_last weight whose gradient is contiguous (set by hand, or made by a penalty) gets the right values at
# the wrong places: no error, no warning. The plain and the foreach form are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.3.4
"$folder/venv/bin/python" - <<'PYTHON'
import torch


def moved(**form):
    weight = torch.zeros(2, 3, 2, 2).contiguous(memory_format=torch.channels_last).requires_grad_()
    weight.grad = torch.arange(24.0).reshape(2, 3, 2, 2)  # contiguous
    torch.optim.SGD([weight], lr=1.0, **form).step()
    return -weight.detach()


wanted = torch.arange(24.0).reshape(2, 3, 2, 2)
print(f"torch {torch.__version__}")
for name, form in {"plain": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}.items():
    print(f"{name}: step equals the gradient: {torch.equal(moved(**form), wanted)}")
assert torch.equal(moved(foreach=False), wanted) and torch.equal(moved(foreach=True), wanted)
assert not torch.equal(moved(fused=True), wanted), "the fused form heeds strides now"
assert sorted(moved(fused=True).ravel().tolist()) == sorted(wanted.ravel().tolist())
PYTHON
echo "seen: the fused step of a channels_last weight is a permutation of its gradient"
