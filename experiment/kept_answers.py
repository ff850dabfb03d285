"""`--cache features` for methods that pass each image once: answers of a frozen network, kept for later runs.

An answer is known by the images it answers and by the network: its tensors, and what it says to one image of
noise, in which every other setting shows. So what is found is what would be computed, bit by bit.
"""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from dataset.room import InUse, Room, in_gb
from utils.files import replacing

Answer = Callable[[Tensor], Tensor]


class KeptAnswers:
    """Answers in files in `folder` (`--cache_dir`), which all runs share.

    Args:
        limit: bytes that they and other packs there may take, see `Room`.
    """

    def __init__(self, folder: Path, limit: float = 0):
        self.folder, self.limit = folder, limit
        self.found = self.computed = self.written = 0  # answers, answers, bytes

    def __call__(self, answer: Answer, *parts: nn.Module) -> Answer:
        """`answer`, which is asked only for images (N, 3, H, W) that no run has asked for.

        Args:
            answer: of a network whose tensors are those of `parts`, and do not change.
        """
        room, names = Room(self.folder, self.limit), {}

        def kept(images: Tensor) -> Tensor:
            size = tuple(images.shape[1:])
            if size not in names:
                names[size] = name_of(answer, parts, images[:1])
            digest = hashlib.sha256(bits(images)).hexdigest()[:32]
            path = self.folder / f"features_{names[size]}" / f"{len(images)}_{digest}.pack"
            features = read(path, images.device)
            if features is None:
                features = answer(images)
                self.computed += 1
                self.written += self.write(path, features, room)
            else:
                self.found += 1
            return features

        return kept

    def write(self, path: Path, features: Tensor, room: Room) -> int:
        """Keep `features` in `path`; its bytes.

        Raises:
            ValueError: if the disk or the limit has no room for them.
        """
        room.take(features.nbytes + 4096)  # with what describes them
        try:
            with replacing(path) as file:
                torch.save(features.cpu(), file)
        except OSError as error:
            cure = "make room, " if error.errno == errno.ENOSPC else ""
            raise ValueError(
                f"--cache features cannot work in {self.folder} ({error.strerror}): {cure}give another "
                "--cache_dir, or go without"
            ) from None
        return path.stat().st_size

    def told(self) -> str:
        """What was found, and what is kept now; "" if nobody asked."""
        if not self.found + self.computed:
            return ""
        return (
            f"features: {self.found} of {self.found + self.computed} answers of the network were kept by an "
            f"earlier pass; {in_gb(self.written)} more are now, in {self.folder}"
        )


def read(path: Path, device: torch.device) -> Tensor | None:
    """The answer in `path`; None if it is not there, or not whole."""
    try:
        used = InUse(path)
    except FileNotFoundError:
        return None
    try:
        return torch.load(path, weights_only=True).to(device)
    except Exception:  # whatever a damaged file makes of itself: it is computed and written again
        return None
    finally:
        used.close()


def name_of(answer: Answer, parts: tuple[nn.Module, ...], like: Tensor) -> str:
    """What a network is known by: its tensors, and its answer to noise of the shape of `like`."""
    digest = hashlib.sha256(f"{torch.__version__} {like.device.type}".encode())
    for part in parts:
        for name, tensor in part.state_dict().items():
            digest.update(name.encode() + bits(tensor))
    noise = torch.rand(like.shape, generator=torch.Generator().manual_seed(0)) - 0.5
    said = answer(noise.to(like).contiguous(memory_format=torch.channels_last))
    digest.update(str((tuple(said.shape), said.dtype)).encode() + bits(said))
    return digest.hexdigest()[:16]


def bits(tensor: Tensor) -> bytes:
    """The elements of `tensor` as they are in memory."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
