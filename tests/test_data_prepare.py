"""data.prepare on miniature archives, and its downloads from a server on the loopback."""

import hashlib
import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from data import check, fetch, prepare, sources
from data.sources import Archive
from data.unpack import unpack
from data.voc_aug import class_mask
from dataset import build_dataset
from dataset.ade import ADE
from dataset.cityscapes import CityscapesClasses
from dataset.decode import read_index_mask
from dataset.voc import VOC
from tests.archives import (
    ade_archive,
    cityscapes_archives,
    mat,
    png,
    server,
    tar,
    voc_archives,
    zipped,
)

CONTENT = np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes()


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


# -- downloads ---------------------------------------------------------------------------------------------
def archive_at(*urls, content=CONTENT, **changes):
    known = {"size": len(content), "digest": f"md5:{hashlib.md5(content).hexdigest()}"}
    return Archive("a.tar", urls, **(known | changes))


def test_download_continues_where_it_was_cut(tmp_path):
    with server(CONTENT, cuts=[1200, 800]) as (url, asked):
        path = fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path / "new"])
    assert path.read_bytes() == CONTENT
    assert asked == [None, "bytes=1200-", "bytes=2000-"]
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.tar"]


def test_download_of_an_earlier_call_is_continued(tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:4000])
    with server(CONTENT) as (url, asked):
        fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path])
    assert asked == ["bytes=4000-"] and (tmp_path / "a.tar").read_bytes() == CONTENT


def test_server_without_ranges_sends_everything_again(tmp_path):
    (tmp_path / "a.tar.part").write_bytes(b"x" * 4000)
    with server(CONTENT, ranges=False) as (url, _):
        assert fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path]).read_bytes() == CONTENT


@pytest.mark.parametrize("length", [4000, 5000, 6000])
def test_beginning_of_another_file_is_thrown_away_once(tmp_path, length):
    (tmp_path / "a.tar.part").write_bytes(b"x" * length)
    with server(CONTENT) as (url, asked):
        assert fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path]).read_bytes() == CONTENT
    assert asked == [f"bytes={length}-", None]


@pytest.mark.parametrize("wrong", [{"digest": "md5:0"}, {"size": 7}])
def test_wrong_content_is_refused_and_not_kept(tmp_path, wrong):
    with server(CONTENT) as (url, asked), pytest.raises(ValueError, match="instead of"):
        fetch.obtain(archive_at(f"{url}/a.tar", **wrong), [tmp_path])
    assert len(asked) == 1 and not list(tmp_path.iterdir())


def test_address_that_is_gone_is_reported_after_trying_the_next(tmp_path):
    with server(CONTENT) as (url, asked):
        with pytest.raises(ValueError, match="answers 404 .* by other means"):
            fetch.obtain(archive_at(f"{url}/gone.tar"), [tmp_path])
        assert len(asked) == 1
        assert fetch.obtain(archive_at(f"{url}/gone.tar", f"{url}/a.tar"), [tmp_path]).is_file()


def test_server_that_does_not_answer_is_reported_and_the_beginning_kept(tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:100])
    with server(CONTENT) as (url, _):
        pass
    with pytest.raises(ValueError, match="same command again to continue"):
        fetch.obtain(archive_at(f"{url}/a.tar"), [tmp_path])
    assert (tmp_path / "a.tar.part").stat().st_size == 100


def test_archive_that_is_there_is_verified_and_left_alone(tmp_path):
    (tmp_path / "a.tar").write_bytes(CONTENT)
    assert (
        fetch.obtain(archive_at("http://127.0.0.1:9/a.tar"), [tmp_path / "other", tmp_path])
        == tmp_path / "a.tar"
    )
    (tmp_path / "a.tar").write_bytes(CONTENT[:-1] + b"x")
    with pytest.raises(ValueError, match="remove the file"):
        fetch.obtain(archive_at("http://127.0.0.1:9/a.tar"), [tmp_path])
    assert (tmp_path / "a.tar").is_file()


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
