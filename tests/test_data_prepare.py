"""data.prepare on miniature archives, and its downloads from a server on the loopback."""

import hashlib
import io
import tarfile

import pytest
from PIL import Image

from data import camvid, check, fetch, prepare, sources
from data.sources import Archive
from data.unpack import unpack
from data.voc_aug import class_mask
from dataset import build_dataset
from dataset.ade import ADE
from dataset.cityscapes import CityscapesClasses
from dataset.voc import VOC
from tests.archives import (
    SIZE,
    ade_archive,
    cityscapes_archives,
    mat,
    png,
    server,
    tar,
    voc_archives,
    zipped,
)
from utils.decoding.decode import read_index_mask


@pytest.fixture(autouse=True)
def miniature(monkeypatch):
    """Numbers of images of the miniature archives, whose check-sums are not the published ones."""
    monkeypatch.setitem(check.FOLDERS, "voc", {"SegmentationClass": 3, "SegmentationClassAug": 5})
    monkeypatch.setattr(prepare, "VOC_PICTURES", 5)
    monkeypatch.setattr(VOC, "expected", {"train": 4, "val": 1})
    monkeypatch.setattr(ADE, "expected", {"train": 2, "val": 1})
    monkeypatch.setattr(CityscapesClasses, "expected", {"train": 2, "val": 1})
    monkeypatch.setattr(prepare, "VOC2012", Archive(sources.VOC2012.name))
    monkeypatch.setattr(prepare, "SBD", Archive(sources.SBD.name))
    monkeypatch.setattr(fetch, "PAUSE", 0.0)


# -- from archives that are there --------------------------------------------------------------------------
def test_voc_gets_its_augmented_masks_from_voc_and_sbd(tmp_path, capsys):
    voc_archives(tmp_path / "archives")
    assert prepare.main(["voc", "--root", f"{tmp_path}/voc", "--archives", f"{tmp_path}/archives"]) == 0
    assert "missing" not in capsys.readouterr().out
    root = tmp_path / "voc" / "VOC2012"
    labels = {
        mask.stem: set(read_index_mask(mask).unique().tolist())
        for mask in (root / "SegmentationClassAug").iterdir()
    }
    assert labels == {
        "2007_000001": {1},
        "2007_000002": {1},
        "2007_000003": {1},
        "2008_000004": {2},
        "2008_000005": {2},
    }
    assert not (root / "Annotations").exists()
    dataset = build_dataset("voc", tmp_path / "voc")
    assert [sample.id for sample in dataset.samples("val")] == ["2007_000003"]
    assert [sample.id for sample in dataset.samples("train")] == [
        "2007_000001",
        "2007_000002",
        "2008_000004",
        "2008_000005",
    ]


def test_second_call_changes_nothing_and_needs_no_archive(tmp_path):
    voc_archives(tmp_path)
    assert prepare.main(["voc", "--root", str(tmp_path)]) == 0
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "VOC2012").rglob("*")}
    for archive in tmp_path.glob("*.t*"):
        archive.unlink()
    assert prepare.main(["voc", "--root", str(tmp_path)]) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "VOC2012").rglob("*")} == times


def test_interrupted_unpacking_continues_and_repairs_half_files(tmp_path):
    voc_archives(tmp_path)
    assert prepare.main(["voc", "--root", str(tmp_path)]) == 0
    root = tmp_path / "VOC2012"
    (root / "JPEGImages/2008_000004.jpg").unlink()
    (root / "JPEGImages/2007_000001.jpg").write_bytes(b"half")
    (root / "SegmentationClassAug/2008_000005.png").unlink()
    assert prepare.main(["voc", "--root", str(tmp_path)]) == 0
    assert len(build_dataset("voc", tmp_path).samples("train")) == 4


def test_published_training_list_is_kept(tmp_path):
    voc_archives(tmp_path)
    (tmp_path / "VOC2012/splits").mkdir(parents=True)
    names = ("2008_000005", "2007_000001", "2008_000004", "2007_000002")
    lines = [f"/JPEGImages/{name}.jpg /SegmentationClassAug/{name}.png" for name in names]
    (tmp_path / "VOC2012/splits/train_aug.txt").write_text("\n".join(lines))
    assert prepare.main(["voc", "--root", str(tmp_path)]) == 0
    assert not (tmp_path / "VOC2012/ImageSets/Segmentation/trainaug.txt").exists()
    assert tuple(sample.id for sample in build_dataset("voc", tmp_path).samples("train")) == names


def test_ade_is_unpacked(tmp_path):
    ade_archive(tmp_path)
    assert prepare.main(["ade", "--root", str(tmp_path)]) == 0
    assert len(build_dataset("ade", tmp_path).samples("train")) == 2


def test_cityscapes_takes_only_what_is_needed(tmp_path):
    cityscapes_archives(tmp_path / "archives")
    root = tmp_path / "city"
    assert prepare.main(["cityscapes", "--root", str(root), "--archives", f"{tmp_path}/archives"]) == 0
    assert len([path for path in root.rglob("*") if path.is_file()]) == 6
    assert len(build_dataset("cityscape", root).samples("train")) == 2


def test_cityscapes_without_archives_says_where_to_register(tmp_path, capsys):
    assert prepare.main(["cityscapes", "--root", str(tmp_path)]) == 2
    assert "leftImg8bit_trainvaltest.zip" in (error := capsys.readouterr().err)
    assert "https://www.cityscapes-dataset.com" in error and error.count("\n") == 1


def test_too_few_images_are_reported(tmp_path, capsys, monkeypatch):
    ade_archive(tmp_path)
    monkeypatch.setattr(ADE, "expected", {"train": 3, "val": 1})
    assert prepare.main(["ade", "--root", str(tmp_path)]) == 1
    assert "1 missing" in capsys.readouterr().out


def test_camvid_comes_from_segnets_folder_or_archive_with_background_first(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(camvid, "PHOTOS", dict.fromkeys(camvid.PHOTOS, 1))
    monkeypatch.setattr(camvid, "SIZE", SIZE)
    files = {f"CamVid/{split}{end}/a.png": png(value) for split, end, value in
             (("train", "annot", 0), ("val", "annot", 11), ("test", "annot", 10), ("train", "", 9),
              ("val", "", 9), ("test", "", 9))}  # fmt: skip
    for name, data in files.items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(data)
    zipped(tmp_path / "zip" / camvid.CAMVID.name, {f"SegNet-master/{k}": v for k, v in files.items()})
    for place in ("copy", "zip"):
        root = tmp_path / f"from_{place}"
        command = ["camvid", "--root", str(root), "--archives", str(tmp_path / place)]
        assert prepare.main(command) == 1
        assert "the masks are not those of SegNet" in capsys.readouterr().out
        masks = {split: {"a": root / f"annotations/{split}/a.png"} for split in camvid.PHOTOS}
        labels = [read_index_mask(one["a"]).unique().tolist() for one in masks.values()]
        assert labels == [[1], [0], [11]]
        with monkeypatch.context() as known:
            known.setattr(camvid, "DIGESTS", {split: camvid.digest(one) for split, one in masks.items()})
            assert prepare.main(command) == 0


def test_masks_that_are_not_camvids_are_refused():
    with pytest.raises(ValueError, match="other values than 0..11"):
        camvid.shifted(png(12))


# -- archives that cannot be trusted -----------------------------------------------------------------------
@pytest.mark.parametrize(
    "name",
    ["../../evil.jpg", "/tmp/evil.jpg", "VOCdevkit/VOC2012/JPEGImages/../../../evil.jpg", "..\\evil.jpg"],
)
@pytest.mark.parametrize("build", [tar, zipped])
def test_archive_that_leads_outside_is_refused_and_writes_nothing_there(tmp_path, name, build):
    path = build(tmp_path / "a.tar", {name: b"evil"})
    with pytest.raises(ValueError, match="no official archive"):
        unpack(path, tmp_path / "deep/er/out", r"(?P<place>.*)")
    assert not list(tmp_path.rglob("*evil*"))


def test_links_in_an_archive_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("images", tarfile.SYMTYPE), ("hard.jpg", tarfile.LNKTYPE)):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc"
            archive.addfile(link)
        member = tarfile.TarInfo("images/a.jpg")
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    assert unpack(tmp_path / "a.tar", tmp_path / "out", r"(?P<place>.*)") == 1
    assert not (tmp_path / "out/images").is_symlink() and not (tmp_path / "out/hard.jpg").exists()


def test_huge_file_in_an_archive_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("data.unpack.LARGEST", 10)
    with pytest.raises(ValueError, match="11 bytes; this is no official archive"):
        unpack(tar(tmp_path / "a.tar", {"a": b"x" * 11}), tmp_path, r"(?P<place>a)")


@pytest.mark.parametrize("kind", ["tar", "tgz", "zip", "text", "flipped zip"])
def test_damaged_archive_is_named(tmp_path, kind):
    files = {f"{number}.png": png(number) * 50 for number in range(9)}
    path = tmp_path / "a"
    zipped(path, files) if "zip" in kind else tar(path, files, "w:gz" if kind == "tgz" else "w")
    data = bytearray(path.read_bytes())
    if kind == "flipped zip":
        data[200] ^= 255
    path.write_bytes(
        {"text": b"<html>please log in</html>", "flipped zip": data}.get(kind, data[: len(data) // 2])
    )
    with pytest.raises(ValueError, match=r"a is damaged .* get it again"):
        unpack(path, tmp_path / "out", r"(?P<place>.*)")


@pytest.mark.parametrize(
    "content, complaint",
    [(b"", "no class mask"), (b"MATLAB 5.0" * 30, "no class mask"), (mat(77), "label 77")],
)
def test_bad_mask_of_sbd_is_named(content, complaint):
    with pytest.raises(ValueError, match=f"x.mat .*{complaint}"):
        class_mask(content, "x.mat")


def test_voc_is_downloaded_whole(tmp_path, monkeypatch):
    voc_archives(tmp_path / "there")
    content = (tmp_path / "there" / sources.VOC2012.name).read_bytes()
    with server(content, cuts=[5000]) as (url, _):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        monkeypatch.setattr(
            prepare, "VOC2012", Archive(sources.VOC2012.name, (f"{url}/voc.tar",), len(content), digest)
        )
        (tmp_path / "there" / sources.VOC2012.name).unlink()
        assert prepare.main(["voc", "--root", f"{tmp_path}/voc", "--archives", f"{tmp_path}/there"]) == 0
    with Image.open(tmp_path / "voc/VOC2012/SegmentationClassAug/2008_000004.png") as mask:
        assert mask.mode == "P"
