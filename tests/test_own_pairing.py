"""Which mask belongs to which picture, and which pictures a split has."""

import unicodedata

import pytest

from dataset.files import check
from dataset.folder import Folder
from dataset.own.classes import read_names
from tests.dataset_trees import write_image, write_mask


def describe(root, train, extra="", classes="[background, a, b]"):
    """A description whose train and val are both `train`."""
    path = root / "own.yaml"
    path.write_text(f"classes: {classes}\n{extra}\ntrain: {train}\nval: {train}", "utf-8")
    return path


def write(root, *names):
    """Photos (.jpg, or in a folder called images) and masks."""
    for name in names:
        kind = write_mask if name.endswith(".png") and "images" not in name else write_image
        kind(root / name, *([[0, 1]] if kind is write_mask else []))


def listed(path, split="train"):
    dataset = Folder("", path)
    samples = dataset.samples(split)
    check(samples, "it")
    return [(sample.id, sample.image.name, sample.mask.name) for sample in samples]


def cure_of(path):
    with pytest.raises((ValueError, OSError)) as caught:
        listed(path)
    return caught.value.cure


HABITS = {
    "_mask": ("x1.jpg", "x1_mask.png", 'suffix: "_mask"'),
    "_L": ("x1.jpg", "x1_L.png", 'suffix: "_L"'),
    ".jpg.png": ("x1.jpg", "x1.jpg.png", 'suffix: ".jpg"'),
    "cityscapes": ("x1_leftImg8bit.jpg", "x1_gtFine_labelIds.png",
                   'suffix: {images: "_leftImg8bit", masks: "_gtFine_labelIds"}'),
    "mask_ in front": ("x1.jpg", "mask_x1.png", 'prefix: "mask_"'),
    "IMG and LAB": ("IMG_1.jpg", "LAB_1.png", 'prefix: {images: "IMG_", masks: "LAB_"}'),
}  # fmt: skip


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("folders", [("images", "masks"), ("all", "all")])
def test_affixes_pair_by_one_key_that_the_refusal_proposes(tmp_path, habit, folders):
    image, mask, _ = HABITS[habit]
    for number in "1234":
        write(
            tmp_path,
            f"{folders[0]}/{image.replace('1', number)}",
            f"{folders[1]}/{mask.replace('1', number)}",
        )
    path = describe(tmp_path, f"{{images: {folders[0]}, masks: {folders[1]}}}")
    cure = cure_of(path)
    if folders[0] != "all":
        assert cure == HABITS[habit][2]
    kept = "" if "train:" in cure else path.read_text()
    if not kept:  # two endings in one folder: patterns besides
        cure += f"\nclasses: [background, a, b]\n{cure.splitlines()[0].replace('train', 'val')}"
    path.write_text(f"{cure}\n{kept}")
    assert [(one, two) for _, one, two in listed(path)] == [
        (image.replace("1", number), mask.replace("1", number)) for number in "1234"
    ]


def test_pairs_of_one_name_in_one_folder_are_told_apart_by_patterns(tmp_path):
    write(tmp_path, "all/x.jpg", "all/x.png", "all/y.jpg", "all/y.png")
    path = describe(tmp_path, "{images: all, masks: all}")
    cure = cure_of(path)
    assert cure == "train: {images: all/*.jpg, masks: all/*.png}"
    assert len(listed(describe(tmp_path, cure.removeprefix("train: ")))) == 2


def test_folder_without_pictures_stands_for_those_below_it(tmp_path):
    write(tmp_path, "images/k/x.jpg", "images/l/x.jpg", "masks/k/x.png", "masks/l/x.png")
    path = describe(tmp_path, "{images: images, masks: masks}")
    assert [id for id, *_ in listed(path)] == ["k/x", "l/x"]


def test_patterns_pair_by_what_their_wildcards_stand_for(tmp_path):
    write(tmp_path, "k/photo/x.jpg", "l/photo/x.jpg", "k/seg/x.png", "l/seg/x.png")
    path = describe(tmp_path, "{images: '*/photo/*.jpg', masks: '*/seg/*.png'}")
    pairs = Folder("", path).samples("train")
    assert [(one.image.parts[-3], one.mask.parts[-3]) for one in pairs] == [("k", "k"), ("l", "l")]
    write(
        tmp_path, "deep/images/k/m/x.jpg", "deep/images/l/x.jpg", "deep/masks/k/m/x.png", "deep/masks/l/x.png"
    )
    assert (
        len(listed(describe(tmp_path, "{images: 'deep/images/**/*.jpg', masks: 'deep/masks/**/*.png'}"))) == 2
    )


def test_hidden_files_are_no_pictures(tmp_path):
    write(tmp_path, "images/x.jpg", "masks/x.png")
    for name in ("images/._x.jpg", "masks/._x.png", "images/.DS_Store.jpg"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    for place in ("{images: images, masks: masks}", "{images: 'images/*.jpg', masks: 'masks/*'}"):
        assert [id for id, *_ in listed(describe(tmp_path, place))] == ["x"]


def test_published_folders_have_no_hidden_pictures_either(tmp_path):
    from dataset.files import pictures

    write(tmp_path, "images/x.jpg")
    (tmp_path / "images/._x.jpg").write_bytes(b"")
    assert pictures(tmp_path / "images") == [str(tmp_path / "images/x.jpg")]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_composed_and_decomposed_accents_are_one_name(tmp_path, forms):
    image, mask = (unicodedata.normalize(form, "Brücke é") for form in forms)
    write(tmp_path, f"images/{image}.jpg", f"masks/{mask}.png")
    assert len(listed(describe(tmp_path, "{images: images, masks: masks}"))) == 1
    (tmp_path / "train.txt").write_text(f"images/{mask}.jpg\tmasks/{image}.png", "utf-8")
    assert len(listed(describe(tmp_path, "train.txt"))) == 1
    (tmp_path / "ids.txt").write_text(mask, "utf-8")
    assert len(listed(describe(tmp_path, "{images: images, masks: masks, list: ids.txt}"))) == 1


def test_photos_without_a_mask_are_left_out_and_counted_by_a_key(tmp_path, caplog):
    write(tmp_path, "images/x.jpg", "images/y.jpg", "images/z.jpg", "masks/x.png", "masks/z.png")
    path = describe(tmp_path, "{images: images, masks: masks}")
    assert cure_of(path) == "unlabelled: skip"
    dataset = Folder("", describe(tmp_path, "{images: images, masks: masks}", "unlabelled: skip"))
    assert [sample.id for sample in dataset.samples("train")] == ["x", "z"]
    assert "own train: 1 pictures without a mask are left out" in caplog.text
    assert [path.name for path in dataset.left_out["train"]] == ["y.jpg"]


def test_folder_of_other_kinds_of_masks_says_what_is_read_and_what_converts(tmp_path):
    write(tmp_path, "images/x.jpg")
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks/x.npy").write_bytes(b"")
    words = r"masks holds no pictures \(\.jpg .*\), but 1 \.npy; python -m data.convert"
    with pytest.raises(FileNotFoundError, match=words):
        listed(describe(tmp_path, "{images: images, masks: masks}"))
    write(tmp_path, "masks/x.png")
    with pytest.raises(FileNotFoundError, match='no name in masks has what suffix: "_gt" asks for'):
        listed(describe(tmp_path, "{images: images, masks: masks}", "suffix: _gt"))


# -- lists --
LISTS = {
    "blanks": "images/x 1.jpg masks/x_1.png\nimages/y.jpg masks/y.png",
    "tab": "images/x 1.jpg\tmasks/x_1.png\nimages/y.jpg\tmasks/y.png",
    "comma": "images/x 1.jpg,masks/x_1.png\nimages/y.jpg, masks/y.png\n",
    "header": "image,mask\nimages/x 1.jpg,masks/x_1.png\nimages/y.jpg,masks/y.png\n",
    "header and blanks": "image mask\nimages/x 1.jpg masks/x_1.png\nimages/y.jpg masks/y.png",
    "header the other way round": "label;image\nmasks/x_1.png;images/x 1.jpg\nmasks/y.png;images/y.jpg\n",
    "more columns": "id,split,mask_path,image_path\n1,train,masks/x_1.png,images/x "
    "1.jpg\n2,train,masks/y.png,images/y.jpg",
    "quotes": '"images/x 1.jpg","masks/x_1.png"\n"images/y.jpg","masks/y.png"',
    "comments": "# made by hand\n\nimages/x 1.jpg\tmasks/x_1.png\n  \nimages/y.jpg\tmasks/y.png",
    "mark of Windows": "\ufeffimages\\x 1.jpg,masks\\x_1.png\r\nimages\\y.jpg,masks\\y.png\r\n",
    "root in front": "/images/x 1.jpg /masks/x_1.png\n./images/y.jpg ./masks/y.png",
}


@pytest.mark.parametrize("habit", LISTS)
def test_lists_of_many_habits_are_read(tmp_path, habit):
    write(tmp_path, "images/x 1.jpg", "images/y.jpg", "masks/x_1.png", "masks/y.png")
    (tmp_path / "train.txt").write_bytes(LISTS[habit].encode())
    found = listed(describe(tmp_path, "train.txt"))
    assert found == [("images/x 1", "x 1.jpg", "x_1.png"), ("images/y", "y.jpg", "y.png")]


def test_absolute_names_below_the_root_are_read(tmp_path):
    write(tmp_path, "images/y.jpg", "masks/y.png")
    (tmp_path / "train.txt").write_text(f"{tmp_path}/images/y.jpg {tmp_path}/masks/y.png")
    assert len(listed(describe(tmp_path, "train.txt"))) == 1


@pytest.mark.parametrize("ids", ["x 1\ny\n", "x 1.jpg\ny.jpg", "JPEGImages/x 1.jpg\nJPEGImages/y.jpg"])
def test_voc_layout_with_own_names_is_three_keys(tmp_path, ids):
    write(tmp_path, "JPEGImages/x 1.jpg", "JPEGImages/y.jpg", "JPEGImages/z.jpg")
    for name in ("x 1", "y"):
        write_mask(tmp_path / f"SegmentationClass/{name}.png", [0, 1])
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text(ids)
    place = "{images: JPEGImages, masks: SegmentationClass, list: ImageSets/Segmentation/train.txt}"
    assert [id for id, *_ in listed(describe(tmp_path, place))] == ["x 1", "y"]
    assert len(listed(describe(tmp_path, place))) == 2
    (lists / "train.txt").write_text("y\nw")
    with pytest.raises(FileNotFoundError, match=r"train\.txt, line 2: there is no picture called w"):
        listed(describe(tmp_path, place))
    (lists / "train.txt").write_text("y\n")
    assert cure_of(describe(tmp_path, "ImageSets/Segmentation/train.txt")) == f"train: {place}"


def test_line_that_names_no_pair_is_quoted(tmp_path):
    (tmp_path / "train.txt").write_text("a.jpg b.png\nc.jpg d.png e.png f.png\n")
    with pytest.raises(
        ValueError, match=r"train\.txt: each line must name .*; line 2 is 'c\.jpg d\.png e\.png f\.png'"
    ):
        write(tmp_path, "a.jpg", "b.png"), listed(describe(tmp_path, "train.txt"))


# -- class files --
NAMES = {
    "plain": "background\nbig cat\n\ndog\r\n",
    "labelme": "__ignore__\n_background_\nbig cat\ndog\n",
    "header": "name\nbackground\nbig cat\ndog",
    "numbers": "0 background\n1 big cat\n2 dog",
    "numbers and a header": "id,name\n0,background\n1,big cat\n2,dog",
    "numbers with colons": "0: background\n1: big cat\n2: dog",
    "numbers behind": "background,0\nbig cat,1\ndog,2",
    "comments": "# our classes\nbackground\nbig cat\n# more\ndog",
    "commas and quotes": '"background",\n"big cat",\n"dog",',
    "mark of Windows": "\ufeffbackground\r\nbig cat\r\ndog\r\n",
}


@pytest.mark.parametrize("habit", NAMES)
def test_class_files_of_many_habits_are_read(tmp_path, habit):
    (tmp_path / "classes.txt").write_bytes(NAMES[habit].encode())
    assert read_names(tmp_path / "classes.txt") == ["background", "big cat", "dog"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("7 road\n8 car\n", r"line 1: numbers other than 0, 1, 2.* values: \{7: road, 8: car\}"),
        ("0 road\n1 car\ntree\n", "line 3: 'tree' has no number"),
        ("road\n__ignore__\ncar", "has __ignore__ as entry 2"),
        ("road\n_background_", "has _background_ after road"),
        ("road, car, tree", r"all names in line 1; .* classes: \[road, car, tree\]"),
        ("road,128,64,128\ncar,64,0,128", "gives each class a colour; write colors: classes.txt"),
        ("- road\n- car", "line 1: '- road' is no name"),
        ('{"road": 0,\n"car": 1}', "line 1: .* is no name"),
    ],
)
def test_class_file_that_would_be_read_wrong_is_refused_with_the_line(tmp_path, text, complaint):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(ValueError, match=f"classes.txt,? .*{complaint}|classes.txt {complaint}"):
        read_names(tmp_path / "classes.txt")


def test_labelmes_names_in_the_description_are_no_classes_either(tmp_path):
    write(tmp_path, "images/y.jpg", "masks/y.png")
    place = "{images: images, masks: masks}"
    dataset = Folder("", describe(tmp_path, place, classes="[__ignore__, _background_, a]"))
    assert dataset.class_names == ("background", "a")
    assert Folder("", describe(tmp_path, place, classes="{0: background, 1: a}")).class_names == (
        "background",
        "a",
    )
    with pytest.raises(ValueError, match=r"write values: \{7: road, 8: car\} instead"):
        Folder("", describe(tmp_path, place, classes="{7: road, 8: car}"))


def test_key_that_is_given_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="0 is given twice"):
        Folder("", describe(tmp_path, "x", "values: {0: a, 0: b}"))


def test_star_without_quotes_is_explained(tmp_path):
    with pytest.raises(ValueError, match="quote values that begin with"):
        Folder("", describe(tmp_path, "{images: *.jpg, masks: m}"))


def test_root_may_begin_with_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "data/images/y.jpg", "data/masks/y.png")
    assert len(listed(describe(tmp_path, "{images: images, masks: masks}", "root: ~/data"))) == 1
