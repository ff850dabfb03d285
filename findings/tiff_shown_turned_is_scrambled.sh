#!/usr/bin/env bash
# Pillow 12.0.0: an uncompressed 8-bit TIFF with Orientation 6 reads differently by name and as a file object.
#
# Opened by name, such a file is mapped into memory with the width and height of the turned picture, so its rows
# are cut at the wrong places; opened as a file object it is read, and right. Label maps are affected silently:
# every value occurs as often as before, only elsewhere.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==12.0.0 numpy==2.3.4
"$folder/venv/bin/python" - "$folder/labels.tif" <<'PYTHON'
import sys

import numpy as np
import PIL
from PIL import Image

stored = np.arange(12, dtype=np.uint8).reshape(3, 4)
Image.fromarray(stored).save(sys.argv[1], tiffinfo={274: 6})
turned = np.rot90(stored, -1)
by_name = np.asarray(Image.open(sys.argv[1]))
with open(sys.argv[1], "rb") as file:
    as_object = np.asarray(Image.open(file))
print(f"Pillow {PIL.__version__}")
print("as a file object\n", as_object, "\nby name\n", by_name, sep="")
assert np.array_equal(as_object, turned), "a file object is read in another way now"
assert not np.array_equal(by_name, turned), "opened by name, it is right now"
assert sorted(by_name.ravel()) == sorted(turned.ravel())
PYTHON
echo "seen: opened by name the same file has other pixels"
