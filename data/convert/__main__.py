"""What people have as what training reads: index PNGs, with background 0, void 255 and a file of class names.

python -m data.convert labelme DIR --out masks           # JSON files of labelme, beside their pictures
python -m data.convert coco instances.json --out masks   # COCO: polygons and run lengths
python -m data.convert npy DIR --out masks               # arrays (H, W), or one-hot by --one_hot first|last
python -m data.convert layers DIR --out masks            # a mask per class: folders, suffixes or pages
python -m data.convert values DIR --out masks --map 255=0 0=1 65535=255      # other values
python -m data.convert tile IMAGES MASKS --out tiles --size 1024             # pictures above Pillow's limit

Folders below DIR are kept: with train/ and val/ among them (for masks that do not lie beside their pictures:
and --images DIR of the pictures) a description for run.py is written, too. Palette and colour masks, 16 bits
and ids need no conversion: data/README.md has the keys.
"""

import argparse
import sys
from pathlib import Path

from data.convert import arrays, coco, labelme, layers, tiles
from data.convert.classes import RESTS
from utils.commands import answer


def pair(word: str) -> tuple[int, int]:
    """OLD=NEW as two numbers."""
    old, _, new = word.partition("=")
    try:
        found = int(old), int(new)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not OLD=NEW") from None
    if not 0 <= found[1] <= 255:
        raise argparse.ArgumentTypeError(f"{word!r}: a mask holds 0 to 255")
    return found


class Parser(argparse.ArgumentParser):
    """Mistakes are ValueErrors, so that every error is one line."""

    def error(self, message: str):
        """Raise what is printed."""
        raise ValueError(f"{message}; see {self.prog} --help")


def parser() -> Parser:
    """The command line."""
    made = Parser(
        prog="python -m data.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kinds = made.add_subparsers(dest="kind", required=True, metavar="KIND")
    for name, what in {
        "labelme": "folder of labelme's JSON files",
        "coco": "COCO file of instances",
        "npy": "folder of .npy or .npz files",
        "layers": "folder of masks of single classes",
        "values": "folder of masks",
    }.items():
        kind = kinds.add_parser(name, help=what, allow_abbrev=False)
        kind.add_argument("source", type=Path, help=what)
        kind.add_argument("--out", type=Path, required=True, help="folder for the masks")
        kind.add_argument("--classes", type=Path, help="file of class names, one per line: values 1, 2, ...")
        if name != "labelme":
            kind.add_argument("--images", type=Path, help="folder of the pictures, for the description")
        if name in ("labelme", "coco"):
            kind.add_argument(
                "--rest", choices=RESTS, default="", help="what classes not in --classes become"
            )
        if name == "npy":
            kind.add_argument("--one_hot", choices=arrays.AXES, default="", help="axis of a layer per class")
        if name in ("npy", "values"):
            kind.add_argument(
                "--map",
                type=pair,
                nargs="+",
                action="extend",
                default=[],
                metavar="OLD=NEW",
                help="values that change",
            )
        if name == "layers":
            kind.add_argument("--overlap", choices=layers.WINNERS, default="", help="what a pixel of two is")
    tile = kinds.add_parser(
        "tile", aliases=["tiles"], help="pictures and masks into tiles", allow_abbrev=False
    )
    tile.add_argument("images", type=Path, help="folder of pictures, or one")
    tile.add_argument("masks", type=Path, help="folder of masks of the same names, or one")
    tile.add_argument("--out", type=Path, required=True, help="folder for images/ and masks/")
    tile.add_argument("--size", type=int, default=1024, help="side of a tile, pixels (default 1024)")
    tile.add_argument("--overlap", type=int, default=0, help="pixels that neighbours share (default 0)")
    tile.add_argument(
        "--void_share", type=float, default=1.0, help="leave out tiles with a larger share of 255 (default 1)"
    )
    tile.add_argument(
        "--megapixels", type=int, default=2000, help="refuse larger pictures; 4 bytes a pixel (default 2000)"
    )
    return made


def work(options: argparse.Namespace) -> None:
    """Do what the command line says."""
    source, out = getattr(options, "source", None), options.out
    if options.kind == "labelme":
        said = labelme.convert(source, out, options.classes, options.rest)
    elif options.kind == "coco":
        said = coco.convert(source, out, options.classes, options.rest, options.images)
    elif options.kind == "npy":
        kinds = {"one_hot": options.one_hot, "values": dict(options.map), "images": options.images}
        said = arrays.convert(source, out, options.classes, **kinds)
    elif options.kind == "layers":
        said = layers.convert(source, out, options.classes, overlap=options.overlap, images=options.images)
    elif options.kind == "values":
        said = arrays.remap(source, out, options.classes, dict(options.map), options.images)
    else:
        kinds = {"side": options.size, "overlap": options.overlap, "void_share": options.void_share}
        said = tiles.cut(options.images, options.masks, out, megapixels=options.megapixels, **kinds)
    print(said)


def main(arguments: list[str] | None = None) -> int:
    """The program; returns the exit status."""
    return answer("data.convert", lambda: work(parser().parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
