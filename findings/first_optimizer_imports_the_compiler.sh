#!/usr/bin/env bash
# torch 2.14.1: making the first optimizer of a process imports PyTorch's whole compiler, although nothing is compiled.
#
# Four methods of torch.optim.Optimizer (add_param_group, state_dict, load_state_dict, zero_grad) carry a decorator that
# keeps them out of compiled code, and importing the compiler is how it does so. add_param_group is called whenever an
# optimizer is made. So a program pays for it that never compiles: some nine hundred modules, and about as much CPU time
# as `import torch` itself takes. An optimizer whose class has the undecorated functions (`inspect.unwrap`) gives the same
# weights without them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.14.1 numpy==2.3.4
cat > "$folder/program.py" <<'PYTHON'
import sys
import time
from inspect import unwrap

began = time.process_time()
import torch

imported = time.process_time() - began


class Plain(torch.optim.SGD):
    """SGD whose methods are those behind the decorator."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)


def made(kind):
    """Weights after three steps, modules that these brought, and CPU seconds that it took to make the optimizer."""
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4))
    before, began = len(sys.modules), time.process_time()
    optimizer = kind([weight], lr=0.1, momentum=0.9)
    taken = time.process_time() - began
    brought = len(sys.modules) - before
    for _ in range(3):
        optimizer.zero_grad()
        weight.pow(2).sum().backward()
        with torch.no_grad():
            unwrap(type(optimizer).step)(optimizer)  # SGD's is decorated, too
    return weight.detach().clone(), brought, taken


plain, few, _ = made(Plain)
assert "torch._dynamo" not in sys.modules
usual, many, taken = made(torch.optim.SGD)
print(f"torch {torch.__version__}: import {imported:.1f} CPU s; torch.optim.SGD(...) brings {many} modules in {taken:.1f} CPU s, "
      f"undecorated {few}")
assert torch.equal(plain, usual), "the decorator changes the weights"
assert many > 500 and "torch._dynamo" in sys.modules, "making an optimizer imports no compiler now"
PYTHON
"$folder/venv/bin/python" "$folder/program.py"
echo "seen: the first optimizer of a process brings the compiler's modules, and does not need them"
