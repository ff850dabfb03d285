"""The pixel decoders by name: values of `--pixel_decoder`."""

from modules.deformable import DeformablePixelDecoder
from modules.pixel_decoder import FPNPixelDecoder

PIXEL_DECODERS = {"fpn": FPNPixelDecoder, "deformable": DeformablePixelDecoder}
