"""Swin transformer as the published segmentation code runs it, with a LayerNorm on every stage."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.pretrained import fill, read_weights
from modules.swin_block import SwinBlock, shift_mask


class PatchMerging(nn.Module):
    """Halve the grid: four neighbours become one token of twice the channels."""

    def __init__(self, channels: int):
        super().__init__()
        self.reduction = nn.Linear(4 * channels, 2 * channels, bias=False)
        self.norm = nn.LayerNorm(4 * channels)

    def forward(self, tokens: Tensor) -> Tensor:  # (N, H, W, C) -> (N, ceil(H/2), ceil(W/2), 2C)
        tokens = F.pad(tokens, (0, 0, 0, tokens.shape[2] % 2, 0, tokens.shape[1] % 2))
        corners = [tokens[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        return self.reduction(self.norm(torch.cat(corners, -1)))


class Stage(nn.Module):
    """Blocks at one resolution, every second one shifted, and the down-sampling to the next one."""

    def __init__(self, blocks: Sequence[SwinBlock], downsample: nn.Module):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:  # (N, H, W, C)
        """Tokens of this stage, and the input of the next stage."""
        side = self.blocks[0].side
        height, width = (length + -length % side for length in tokens.shape[1:3])
        mask = shift_mask(height, width, side, tokens.device)
        for block in self.blocks:
            tokens = block(tokens, mask)
        return tokens, self.downsample(tokens)


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens; the image is padded right and below to whole patches."""

    def __init__(self, channels: int, patch: int = 4):
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(3, channels, patch, patch)
        self.norm = nn.LayerNorm(channels)

    def forward(self, images: Tensor) -> Tensor:  # (N, 3, H, W) -> (N, ceil(H/patch), ceil(W/patch), C)
        images = F.pad(images, (0, -images.shape[3] % self.patch, 0, -images.shape[2] % self.patch))
        return self.norm(self.proj(images).permute(0, 2, 3, 1))


class Swin(nn.Module):
    """Swin transformer with a LayerNorm on every stage's output; names are those of the published files.

    Args:
        embed_dim: channels of the first stage, doubled by each further one.
        depths, num_heads: blocks and attention heads of each stage.
        window_size: side of the attention windows in tokens; odd blocks shift them by half of it.
        mlp_ratio: hidden channels of the MLPs over their channels.
        drop_path_rate: stochastic depth of the last block in training; rises linearly from 0 at the first.
        min_size: images with a shorter side (px) are refused.
    """

    head_channels = 256

    def __init__(
        self,
        *,
        embed_dim: int,
        depths: Sequence[int],
        num_heads: Sequence[int],
        window_size: int,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.3,
        min_size: int = 1,
    ):
        super().__init__()
        self.min_size = min_size
        self.patch_embed = PatchEmbed(embed_dim)
        rates = iter(drop_path_rate * block / (sum(depths) - 1) for block in range(sum(depths)))
        self.layers = nn.ModuleList()
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            channels = embed_dim * 2**stage
            shifts = [window_size // 2 * (number % 2) for number in range(depth)]
            blocks = [
                SwinBlock(
                    channels, heads, window_size, shift=shift, mlp_ratio=mlp_ratio, drop_path=next(rates)
                )
                for shift in shifts
            ]
            last = stage == len(depths) - 1
            self.layers.append(Stage(blocks, nn.Identity() if last else PatchMerging(channels)))
            norm = nn.LayerNorm(channels)
            norm.spare = not last  # its map is read by distillation only, see `utils.distributed.distribute`
            self.add_module(f"norm{stage}", norm)
        self.out_channels = channels
        self.apply(_initialise)

    def forward(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:  # (N, 3, H, W), normalised
        """Last stage (N, B, ~H/32, ~W/32) and the stages before it, each after its LayerNorm.

        Raises:
            ValueError: if an image is smaller than one attention window.
        """
        if min(images.shape[-2:]) < self.min_size:
            size = "x".join(map(str, images.shape[-2:]))
            raise ValueError(f"images of {size} are smaller than one window of {self.min_size}: enlarge them")
        tokens = self.patch_embed(images)
        maps = {}
        for stage, layer in enumerate(self.layers):
            features, tokens = layer(tokens)
            maps[f"stage{stage}"] = getattr(self, f"norm{stage}")(features).permute(0, 3, 1, 2)
        return maps.pop(f"stage{stage}"), maps

    def load_pretrained(self, path: str) -> None:
        """Weights from the published file (`swin_base_patch4_window12_384.pth`) or from timm's own.

        Raises:
            FileNotFoundError, ValueError: see `models.pretrained`; first keys that differ are named.
        """
        weights = published_names(read_weights(path, self.state_dict()))
        # Classification files have no stage norms; timm's has no index tables, which are constant.
        fresh = {key for key in self.state_dict() if key.startswith("norm") or "position_index" in key}
        fill(self, weights, source=path, may_lack=fresh)


def published_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """`weights` under the official names, from the official or timm's file, without those of the classifier.

    Dropped by name: `head.*`, the final `norm.*`, and every `attn_mask`, which depends on the image size.
    """
    # timm's patch merging is the first module of a stage, the official one the last of the stage before.
    timm_layout = not any(key.startswith("layers.0.downsample.") for key in weights)
    renamed = {}
    for key, value in weights.items():
        if key.startswith(("head.", "norm.")) or key.endswith(".attn_mask"):
            continue
        if timm_layout and ".downsample." in key:
            stage = int(key.split(".")[1])
            key = key.replace(f"layers.{stage}.", f"layers.{stage - 1}.", 1)
        renamed[key] = value
    return renamed


def _initialise(module: nn.Module) -> None:
    """Truncated normal of 0.02 for the linear layers, as published."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def swin_b(*, output_stride: int = 16) -> Swin:
    """Swin-B, window 12: 86,880,376 parameters, 1024 channels at stride 32 (blocks 2/2/18/2).

    The features always have stride 32; `output_stride` only selects the head's dilations (16: 6/12/18, as
    published; 8: 12/24/32).
    """
    return Swin(embed_dim=128, depths=(2, 2, 18, 2), num_heads=(4, 8, 16, 32), window_size=12, min_size=48)
