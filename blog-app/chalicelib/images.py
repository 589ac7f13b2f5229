"""Pixels: an untrusted image file in, small sRGB variants for the web out. Knows Pillow and no AWS.

The original is decoded once, at reduced scale where its format allows; each width is made from the one above it.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Literal

from PIL import AvifImagePlugin, ExifTags, Image, ImageCms, ImageFile, JpegImagePlugin, TiffImagePlugin, WebPImagePlugin

# Registered by their import; for a format that it does not know yet Pillow would import all of its forty plugins.
assert AvifImagePlugin
assert TiffImagePlugin
assert WebPImagePlugin

type Format = Literal["jpeg", "webp"]

ENCODERS: dict[Format, dict[str, Any]] = {
    "jpeg": {"quality": 80, "optimize": True, "subsampling": "4:2:0"},
    "webp": {"quality": 80, "method": 4},
}
"""What each variant is encoded as, and how."""

_MAX_SIDE = 16_383
"""Pixels of a side that WebP can hold, https://developers.google.com/speed/webp/faq"""

_MAX_SCANS = 500
"""Each scan of a JPEG, however few its bytes, walks the whole image: a small file could keep the decoder for hours.

The limit is that of libjpeg-turbo's TJFLAG_LIMITSCANS, which Pillow does not set:
https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf
"""

_GAP = 1.5
"""How many times the wanted size the quick box filter leaves, so that the good one hides its trace."""

_STRIP = 1_000_000
"""Pixels converted at a time: a second whole copy of a large original would be hundreds of megabytes."""

_SIGNATURES = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "WEBP": rb"RIFF....WEBP",
    "GIF": rb"GIF8[79]a",
    "TIFF": rb"II\*\0|MM\0\*|II\+\0|MM\0\+",
    "BMP": rb"BM.{4}\0{4}",
    "AVIF": rb"....ftyp(.{4}){0,20}?avi[fs]",
}
_OTHERS = (
    rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)"  # HEIF
    rb"|(\xef\xbb\xbf)?\s*(?=<\?xml|<!--|<!DOCTYPE svg|<svg).*?<svg"  # SVG, whose prologue may be long
    rb"|\0\0\0\x0c(jP  |JXL )|\xff\x0a|\xff\x4f\xff\x51"  # JPEG 2000 and XL
    rb"|8BPS|\0\0[\1\2]\0|icns|P[1-7]\s|DDS |qoif|%!PS|\xc5\xd0\xd3\xc6"  # PSD, ICO, ICNS, PNM, DDS, QOI, EPS
)
_HEAD = 1024
"""Bytes in which the signature is looked for."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image of each EXIF orientation upright."""

_SRGB = ImageCms.createProfile("sRGB")


class Rejected(Exception):
    """The file gives no variants; the message is the reason in few words."""


@dataclass(frozen=True)
class EncodedImage:
    """One variant: its size in pixels, and the file's content, which has neither metadata nor a profile."""

    width: int
    height: int
    format: Format
    content: bytes


def variants(
    file: IO[bytes], widths: Collection[int], max_pixels: int = 50_000_000, max_frames: int = 200
) -> Iterator[EncodedImage]:
    """Yield the image in *file* in each of *widths* and each format, the widest first.

    No width is above the original's, which stands for all that would be. Of an animation the first frame is shown.
    Raises Rejected, before the first variant, with one of the reasons ``not an image``, ``unsupported format``,
    ``truncated`` (or damaged: decoders do not tell the two apart), ``too many pixels``, ``too many frames``,
    ``too many scans`` and ``too tall``.
    """
    with _decoding(max_pixels):
        original = _open(file, max_frames)
        if not isinstance(original, JpegImagePlugin.JpegImageFile):
            original.load()  # a PNG may have its EXIF after its pixels, and Pillow turns a TIFF upright by itself
        orientation = _orientation(original)
        sizes = _sizes(_upright(original.size, orientation), widths)
        stored = _upright(sizes[0], orientation)
        original.draft(None, stored)
        original.load()
    image = _srgb(_resized(original, stored), original.info.get("icc_profile"))
    original.close()
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    image.info = {}  # some encoders write what they find here
    for size in sizes:
        image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
        for kind in ENCODERS:
            yield EncodedImage(*size, kind, _encoded(image, kind))


@contextmanager
def _decoding(max_pixels: int) -> Iterator[None]:
    """Have Pillow refuse more than *max_pixels* by an image's header, and take any failure for the file's."""
    Image.MAX_IMAGE_PIXELS = max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield
        except Rejected:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise Rejected("too many pixels") from error
        except Exception as error:  # the decoders raise nearly every kind
            raise Rejected("truncated") from error


def _open(file: IO[bytes], max_frames: int) -> ImageFile.ImageFile:
    kind = _kind(file)
    image = Image.open(file, formats=[kind])
    if image.mode in ("I", "F"):  # measurements, without a rule for what is white
        raise Rejected("unsupported format")
    if getattr(image, "n_frames", 1) > max_frames:
        raise Rejected("too many frames")
    if kind == "JPEG" and _scans(file) > _MAX_SCANS:
        raise Rejected("too many scans")
    return image


def _kind(file: IO[bytes]) -> str:
    """Return Pillow's name of the format that the first bytes tell; the file's name and media type are not asked."""
    file.seek(0)
    head = file.read(_HEAD)
    for kind, signature in _SIGNATURES.items():
        if re.match(signature, head, re.DOTALL):
            return kind
    raise Rejected("unsupported format" if re.match(_OTHERS, head, re.DOTALL | re.IGNORECASE) else "not an image")


def _scans(file: IO[bytes]) -> int:
    """Return the number of scans or some more: a thumbnail or an appended video may hold the same bytes."""
    position = file.tell()
    file.seek(0)
    found = re.findall(rb"\xff\xda", file.read())  # three times as fast as bytes.count
    file.seek(position)
    return len(found)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # broken EXIF does not make the pixels worse
        return 1


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Turn *size* as stored into that to be shown, or back. EXIF 2.32, section 4.6.4: from 5 on the sides change."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def _sizes(size: tuple[int, int], widths: Collection[int]) -> list[tuple[int, int]]:
    """Return the sizes of the variants, widest first, without those that are taller than WebP can hold."""
    width, height = size
    wanted = sorted({min(w, width) for w in widths}, reverse=True)
    sizes = [(w, max(1, round(height * w / width))) for w in wanted]
    possible = [(w, h) for w, h in sizes if h <= _MAX_SIDE]
    if not possible:
        raise Rejected("too tall")
    return possible


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    factor = max(1, int(min(image.width / size[0], image.height / size[1]) / _GAP))
    image = _reduced(image, factor)
    return image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Average squares of *factor* pixels, in a mode that can be filtered, a strip at a time."""
    mode = _filtered_mode(image)
    if factor == 1 and image.mode == mode:
        return image
    width, height = image.size
    rows = factor * max(1, _STRIP // (width * factor))
    reduced = Image.new(mode, (math.ceil(width / factor), math.ceil(height / factor)))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        reduced.paste(_converted(strip, mode).reduce(factor), (0, top // factor))
    return reduced


def _filtered_mode(image: Image.Image) -> str:
    if image.has_transparency_data:
        return "RGBA"
    if image.mode.startswith("I;16"):
        return "L"
    return image.mode if image.mode in ("L", "CMYK") else "RGB"


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I;16"):  # Pillow would cut off what is above 255
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image.convert(mode)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return *image* as RGB or RGBA. A *profile* that is broken or of other colours than the image is left out."""
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.buildTransform(source, _SRGB, image.mode, mode).apply(image)
    return image.convert(mode)


def _encoded(image: Image.Image, kind: Format) -> bytes:
    if kind == "jpeg" and image.mode == "RGBA":
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image.getchannel("A"))
        image = page
    content = io.BytesIO()
    image.save(content, kind, **ENCODERS[kind])
    return content.getvalue()
