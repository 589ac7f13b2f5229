"""Small sRGB variants of untrusted image files. Imports no AWS and no HTTP.

The original is decoded once, at a reduced scale if its format allows. Each width is made from the next larger one.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, Literal, NamedTuple

from PIL import AvifImagePlugin, ExifTags, Image, ImageChops, ImageCms, ImageMath, TiffImagePlugin, WebPImagePlugin

from chalicelib import bitmaps, image_files

# The import registers these plugins; for an unregistered format, Pillow imports all of its forty plugins.
assert AvifImagePlugin
assert TiffImagePlugin
assert WebPImagePlugin

type Format = Literal["jpeg", "webp"]

ENCODERS: dict[Format, dict[str, Any]] = {
    "jpeg": {"quality": 80, "optimize": True, "subsampling": "4:2:0"},
    "webp": {"quality": 80, "method": 4},
}
"""The formats of the variants, with their encoders' options."""

_SHARP: dict[Format, dict[str, Any]] = {"jpeg": {"subsampling": "4:4:4"}, "webp": {"use_sharp_yuv": True}}
"""Options that keep coloured edges sharp. Photos do not need them."""

_FEW_COLOURS = 256
"""With at most so many colours, WebP may be smaller without loss than with loss."""

_MAX_SIDE = 16_383
"""Largest width and height of a WebP image, in pixels: https://developers.google.com/speed/webp/faq"""

_MAX_SCANS = 500
"""Every scan of a JPEG, however small, passes over the whole image, so a small file could take hours to decode.

This is the limit of libjpeg-turbo's TJFLAG_LIMITSCANS, which Pillow does not set:
https://libjpeg-turbo.org/pmwiki/uploads/About/TwoIssueswiththeJPEGStandard.pdf
"""

_GAP = 1.5
"""The fast box filter reduces to at least this multiple of the final size; the Lanczos filter hides its artefacts."""

_STRIP = 1_000_000
"""Pixels converted at a time, since a second copy of a large original needs hundreds of megabytes."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image upright, by its EXIF orientation."""

_SRGB = ImageCms.createProfile("sRGB")


class Rejected(Exception):
    """No variants can be made of the file; the message is a short reason."""


@dataclass(frozen=True)
class EncodedImage:
    """One variant: its size in pixels, and its encoded content without metadata or colour profile."""

    width: int
    height: int
    format: Format
    content: bytes


class Decoded(NamedTuple):
    """An image in sRGB and upright, at most as large as its largest variant; the sizes of its variants; and if its
    edges must stay as sharp as they are: photos of cameras are JPEGs, and drawings and screenshots are not."""

    image: Image.Image
    sizes: list[tuple[int, int]]
    sharp: bool
    few_colours: bool


def variants(
    file: IO[bytes], widths: Collection[int], max_pixels: int = image_files.MAX_PIXELS
) -> Iterator[EncodedImage]:
    """Yield the image in *file* in each of *widths* and each format, the widest first.

    The original's width replaces all larger ones. Of an animation, only the first frame is used. Raises Rejected before
    the first variant, with one of the reasons ``not an image``, ``unsupported format``, ``truncated`` (or damaged:
    decoders do not distinguish them), ``too many pixels``, ``too many scans`` and ``too tall``.
    """
    image, sizes, sharp, few_colours = decoded(file, widths, max_pixels)
    for size in sizes:
        image = image if image.size == size else image.resize(size, Image.Resampling.LANCZOS)
        for kind in ENCODERS:
            yield EncodedImage(*size, kind, _encoded(image, kind, sharp, few_colours))


def decoded(file: IO[bytes], widths: Collection[int], max_pixels: int = image_files.MAX_PIXELS) -> Decoded:
    """Return the image in *file* at the largest of *widths*. Raises Rejected."""
    with _decoding(max_pixels):
        kind = image_files.kind(file)
        if not kind:
            raise Rejected("not an image" if kind is None else "unsupported format")
        original, profile = _opened(file, kind, max_pixels)
        if kind != "JPEG":
            original.load()  # a PNG may have its EXIF after its pixels, and Pillow rotates a TIFF itself
        orientation = _orientation(original)
        sizes = _sizes(_upright(original.size, orientation), widths)
        stored = _upright(sizes[0], orientation)
        original.draft(None, stored)
        original.load()
    few_colours = kind != "JPEG" and _has_few_colours(original)
    image = _srgb(_resized(original, stored), original.info.get("icc_profile"), profile)
    original.close()
    if orientation in _TURNS:
        image = image.transpose(_TURNS[orientation])
    image.info = {}  # some encoders would write it into the file
    return Decoded(image, sizes, kind != "JPEG", few_colours)


@contextmanager
def _decoding(max_pixels: int) -> Iterator[None]:
    """Make Pillow refuse headers with more than *max_pixels*, and turn every failure into Rejected."""
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
        except bitmaps.Unsupported as error:
            raise Rejected("unsupported format") from error
        except Exception as error:  # decoders raise almost any type
            raise Rejected("truncated") from error


def _opened(file: IO[bytes], kind: str, max_pixels: int) -> tuple[Image.Image, bytes | None]:
    """Open *file*, and return the profile by which it describes its colours, if Pillow does not read it."""
    if kind == "BMP":
        width, height = bitmaps.size(file)
        if width * height > max_pixels:
            raise Rejected("too many pixels")
        return bitmaps.decoded(file), None
    content, profile, scans = image_files.readable(file, kind)
    image = Image.open(content, formats=[kind])
    if image.mode in ("I", "F"):  # 32-bit data has no defined white
        raise Rejected("unsupported format")
    if scans > _MAX_SCANS:
        raise Rejected("too many scans")
    if kind == "JPEG" and content is not file and _lacks_pixels(content):
        raise Rejected("truncated")
    return image, profile


def _lacks_pixels(content: IO[bytes]) -> bool:
    """Return whether pixels are missing in a JPEG whose end marker was missing, since decoders draw them anyway.

    Without missing pixels, what is inserted before the end marker changes none.
    """
    content.seek(0)
    whole = content.read()
    drafts = []
    for more in (b"", bytes(range(1, 255)) * 4):
        draft = Image.open(io.BytesIO(whole[:-2] + more + whole[-2:]), formats=["JPEG"])
        draft.draft(None, (draft.width // 2, draft.height // 2))
        draft.load()
        drafts.append(draft)
    content.seek(0)
    return ImageChops.difference(*drafts).getbbox() is not None


def _has_few_colours(image: Image.Image) -> bool:
    return image.mode in ("1", "P") or (image.mode in ("RGB", "RGBA") and image.getcolors(_FEW_COLOURS) is not None)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # the pixels are usable without EXIF
        return 1


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Convert *size* from stored to displayed or back. Orientations from 5 swap the sides (EXIF 2.32, 4.6.4)."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def _sizes(size: tuple[int, int], widths: Collection[int]) -> list[tuple[int, int]]:
    """Return the sizes of the variants, widest first, without those that are too tall for WebP."""
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
    """Average squares of *factor* by *factor* pixels, in a mode that can be filtered, one strip at a time."""
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
    if not image.mode.startswith("I;16"):
        return image.convert(mode)
    values = image.convert("I")  # Pillow would clip values above 255
    grey = values.point(lambda value: value * (1 / 257)).convert("L")
    if mode != "RGBA":
        return grey.convert(mode)
    key = image.info["transparency"]
    alpha = ImageMath.lambda_eval(lambda names: (names["values"] != key) * 255, values=values).convert("L")
    return Image.merge("RGBA", (grey, grey, grey, alpha))


def _srgb(image: Image.Image, embedded: bytes | None, described: bytes | None) -> Image.Image:
    """Return *image* as RGB or RGBA in sRGB, from the *embedded* profile, else from the one that the file describes.

    A profile that is broken or does not fit the image is ignored.
    """
    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    profile = embedded or described
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if image.mode == "L" and source.profile.xcolor_space.strip() == "RGB":
                image = image.convert("RGB")
            return ImageCms.buildTransform(source, _SRGB, image.mode, mode).apply(image)
    return image.convert(mode)


def _encoded(image: Image.Image, kind: Format, sharp: bool, few_colours: bool) -> bytes:
    if kind == "jpeg" and image.mode == "RGBA":
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image.getchannel("A"))
        image = page
    content = io.BytesIO()
    image.save(content, kind, **ENCODERS[kind] | (_SHARP[kind] if sharp else {}))
    if kind == "webp" and few_colours:
        lossless = io.BytesIO()
        image.save(lossless, kind, lossless=True, method=4)
        return min(content.getvalue(), lossless.getvalue(), key=len)
    return content.getvalue()
