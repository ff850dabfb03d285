"""Names and layouts of the published systems' checkpoints, translated into ours."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

COUNTER = "num_batches_tracked"
BRANCHES = 4  # parallel convolutions of the DeepLabV3 head beside image pooling


@dataclass
class Translation:
    """Entries under our names, and what became of each entry of the file.

    Attributes:
        weights: ours. renamed: name in the file -> our name. dropped: name in the file -> why.
    """

    weights: dict[str, Tensor] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)

    def put(self, theirs: str, ours: str, value: Tensor) -> None:
        """File `value`, which the file calls `theirs`."""
        self.weights[ours] = value
        if theirs != ours:
            self.renamed[theirs] = ours

    def report(self, given: dict[str, Tensor], missing: list[str]) -> str:
        """One line per entry, and the counts."""
        lines = []
        for key in given:
            if key in self.dropped:
                lines.append(f"dropped  {key}: {self.dropped[key]}")
            elif key in self.renamed:
                lines.append(f"renamed  {key} -> {self.renamed[key]}")
            else:
                lines.append(f"taken    {key}")
        lines += [f"dropped  {key}: {why}" for key, why in self.dropped.items() if key not in given]
        lines += [f"missing  {key}" for key in missing]
        kinds = ("taken", "renamed", "dropped", "missing")
        counts = (f"{sum(line.startswith(kind) for line in lines)} {kind}" for kind in kinds)
        return "\n".join([*lines, ", ".join(counts)])


def same_names(weights: dict[str, Tensor]) -> Translation:
    """MiB and its descendants: our names are theirs; counters of later in-place ABN versions are dropped."""
    out = Translation()
    for key, value in weights.items():
        if key.endswith(COUNTER):
            out.dropped[key] = "counter that nothing reads"
        else:
            out.put(key, key, value)
    return out


def from_rcil(weights: dict[str, Tensor]) -> Translation:
    """RCIL: our names too, and norms behind merged convolutions are the identity.

    The published program folds a norm into its convolution with eps = 0 and reads it back with eps = 1e-5, a
    factor of 1 + 5e-6 that its test has. It is folded here as well, so that the result is the published one.
    """
    out, eps = same_names(weights), 1e-5
    for norm, convs in merged_units(weights).items():
        at = {kind: f"{norm}.{kind}" for kind in ("weight", "bias", "running_mean", "running_var")}
        weight, bias, mean, var = (out.weights[name].double() for name in at.values())
        scale = (weight.abs() + eps) / (var + eps).sqrt()
        start = 0
        for conv in convs:
            kernel, offset = out.weights[f"{conv}.weight"], out.weights[f"{conv}.bias"]
            rows = slice(start, start := start + len(kernel))
            moved = (offset.double() - mean[rows]) * scale[rows] + bias[rows]
            out.weights[f"{conv}.bias"] = moved.to(offset.dtype)
            out.weights[f"{conv}.weight"] = (kernel.double() * scale[rows].view(-1, 1, 1, 1)).to(kernel.dtype)
        for kind, name in at.items():
            fill = torch.ones_like if kind in ("weight", "running_var") else torch.zeros_like
            out.weights[name] = fill(out.weights[name])
    return out


def merged_units(weights: dict[str, Tensor]) -> dict[str, list[str]]:
    """Norm -> the convolutions in front of it, for those of RCIL's first branch that carry a bias."""
    units: dict[str, list[str]] = {}
    for key in weights:
        if match := re.fullmatch(r"(.+\.)conv2\.bias|(.+\.)map_convs\.\d+\.bias", key):
            block, head = match.groups()
            norm = f"{block}bn2" if block else f"{head}map_bn"
            units.setdefault(norm, []).append(key.removesuffix(".bias"))
    return units


def from_eir(weights: dict[str, Tensor]) -> Translation:
    """EIR: torchvision's ResNet-101, and a head whose branches are concatenated, pooling included.

    One convolution over all branches is the sum of one over the dilated ones and one over the pooled branch,
    and the norms of the dilated branches are one norm side by side. So the common network computes the same.
    """
    out, branch_norms = Translation(), {}
    names = {
        rf"aspp\.convs\.([0-{BRANCHES - 1}])\.0\.weight": r"head.aspp.map_convs.\1.weight",
        rf"aspp\.convs\.{BRANCHES}\.1\.weight": r"head.aspp.global_pooling_conv.weight",
        rf"aspp\.convs\.{BRANCHES}\.2\.(\w+)": r"head.aspp.global_pooling_bn.\1",
        r"aspp\.project\.1\.(\w+)": r"head.aspp.red_bn.\1",
        r"aspp\.last_conv\.0\.weight": r"head.last_conv.weight",
        r"aspp\.last_conv\.1\.(\w+)": r"head.last_bn.\1",
        r"backbone\.(.+)": r"body.model.\1",
        r"cls\.(.+)": r"cls.\1",
    }
    for key, value in weights.items():
        if key.endswith(COUNTER):
            out.dropped[key] = "counter that nothing reads"
        elif key == "aspp.project.0.weight":
            dilated = value.shape[1] * BRANCHES // (BRANCHES + 1)
            out.weights["head.aspp.pool_red_conv.weight"] = value[:, dilated:]
            out.put(key, "head.aspp.red_conv.weight", value[:, :dilated])
            out.renamed[key] = "head.aspp.red_conv.weight, head.aspp.pool_red_conv.weight"
        elif match := re.fullmatch(rf"aspp\.convs\.([0-{BRANCHES - 1}])\.1\.(\w+)", key):
            branch_norms.setdefault(match[2], {})[int(match[1])] = value
            out.renamed[key] = f"head.aspp.map_bn.{match[2]}"
        else:
            ours = next((re.sub(old, new, key) for old, new in names.items() if re.fullmatch(old, key)), key)
            out.put(key, ours, value)
    for kind, parts in branch_norms.items():
        out.weights[f"head.aspp.map_bn.{kind}"] = torch.cat([parts[number] for number in sorted(parts)])
    return out


@dataclass(frozen=True)
class System:
    """A published code base: how its entries are translated, and the run.py flags that describe its runs."""

    translate: Callable[[dict[str, Tensor]], Translation]
    flags: str


SYSTEMS = {
    "mib": System(same_names, "--method MiB --protocol mib"),
    "plop": System(same_names, "--method PLOP"),
    "nest": System(same_names, "--method PLOP+NeST"),
    "revisitingcss": System(same_names, "--method DFT*"),
    "rcil": System(from_rcil, "--method RCIL"),
    "eir": System(from_eir, "--method EIR --backbone timm:resnet101 --norm bn_relu"),
}
