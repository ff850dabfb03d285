"""How the files of one's own data are decoded: from the keys of a description to `Reading`, `MaskReading`."""

from dataset.own.description import Description
from dataset.own.masks import PANOPTIC, MaskReading
from utils.decoding.decode import Reading
from utils.decoding.opening import LIMIT


def reading(about: Description) -> Reading:
    """How pictures are read: the keys bands, range, exif, max_pixels."""
    bands = about.content.get("bands", [])
    if (
        not isinstance(bands, list)
        or len(bands) not in (0, 1, 3)
        or not all(type(band) is int and band >= 0 for band in bands)
        or "bands" in about
        and not bands
    ):
        raise about.wrong(
            f"has bands: {bands!r}; write the positions of red, green and blue, such as [0, 1, 2]"
        )
    limits = about.content.get("range")
    if "range" in about and not (
        isinstance(limits, list) and len(limits) == 2
        and all(type(one) in (int, float) for one in limits) and limits[0] < limits[1]
    ):  # fmt: skip
        raise about.wrong(f"has range: {limits!r}; write the values of black and white, such as [0, 4095]")
    most = about.typed("max_pixels", int, LIMIT)
    scale, exif = tuple(limits) if limits else None, about.choice("exif", "turned", "stored")
    return Reading(tuple(bands), scale, exif=exif, max_pixels=most)


def mask_reading(about: Description, colours: bool, pictures: Reading) -> MaskReading:
    """How masks are read: the keys page, channel, lossy, and what pictures share."""
    picks = {}
    for key in ("page", "channel"):
        given = about.content.get(key)
        names = isinstance(given, list) and given and all(isinstance(one, str) for one in given)
        channels = key == "channel" and isinstance(given, list) and len(given) == 3 and all(
            type(one) is int and one >= 0 for one in given)  # fmt: skip
        number = type(given) is int and given >= 0
        if key in about and not (names or channels or number or key == "channel" and given == PANOPTIC):
            raise about.wrong(
                f"has {key}: {given!r}; write a number from 0, or a list of the classes of each {key}"
            )
        picks[key] = tuple(given) if isinstance(given, list) else given
    return MaskReading(
        **picks,
        lossy=about.choice("lossy", "nearest") == "nearest",
        colours=colours,
        stated="values" in about,
        exif=pictures.exif,
        max_pixels=pictures.max_pixels,
    )
