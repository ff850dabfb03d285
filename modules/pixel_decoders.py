"""The pixel decoders by name: values of `--pixel_decoder`."""

from utils.registry import Registry

PIXEL_DECODERS = Registry(
    {
        "fpn": "modules.pixel_decoder:FPNPixelDecoder",
        "deformable": "modules.deformable:DeformablePixelDecoder",
    }
)
