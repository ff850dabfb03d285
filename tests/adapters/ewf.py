"""EWF's fusion of two state dicts."""

from tests.adapters import adapter
from tests.adapters.rcil_branches import part_of, under
from utils.weights import fuse, share_of_new


@adapter("ewf.fuse")
def fused(inputs, params):
    weight = share_of_new(params["num_old"], params["num_new"])
    share = params["share"] if params["only_large"] else 1.0
    found = fuse(part_of(inputs, "old."), part_of(inputs, "new."), weight, share=share)
    return under("fused.", found) | {"out_weight": weight}
