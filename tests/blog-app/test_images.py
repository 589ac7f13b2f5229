"""The variants of every kind of image file."""

from __future__ import annotations

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import image_corpus as corpus
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from chalicelib import colour_profiles, images
from chalicelib.images import EncodedImage, Rejected

WIDTHS = (320, 640, 1280)
ROOT = Path(__file__).parent.parent.parent


def variants(content: bytes, **limits: int) -> dict[str, Image.Image]:
    """Return each variant, decoded, by for example ``320.webp``."""
    made = list(images.variants(io.BytesIO(content), WIDTHS, **limits))
    return {f"{image.width}.{image.format}": opened(image) for image in made}


def decoded(content: bytes) -> Image.Image:
    return images.decoded(io.BytesIO(content), WIDTHS).image


def opened(image: EncodedImage) -> Image.Image:
    decoded = Image.open(io.BytesIO(image.content), formats=[image.format])
    decoded.load()
    assert decoded.size == (image.width, image.height)
    return decoded


def reason(content: bytes, **limits: int) -> str:
    with pytest.raises(Rejected) as rejected:
        list(images.variants(io.BytesIO(content), WIDTHS, **limits))
    return str(rejected.value)


def near(colour: tuple[int, ...], wanted: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(colour, wanted, strict=True))


def corner_colours(image: Image.Image) -> list[tuple[int, ...]]:
    width, height = image.size
    rgb = image.convert("RGB")
    return [rgb.getpixel((x, y)) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]


def right_way_up(image: Image.Image) -> bool:
    return all(map(near, corner_colours(image), corpus.CORNERS))


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (2000, 1000, [(1280, 640), (640, 320), (320, 160)]),
        (1280, 853, [(1280, 853), (640, 426), (320, 213)]),
        (1279, 853, [(1279, 853), (640, 427), (320, 213)]),
        (640, 480, [(640, 480), (320, 240)]),
        (500, 800, [(500, 800), (320, 512)]),
        (100, 50, [(100, 50)]),
        (1, 1, [(1, 1)]),
        (5000, 1, [(1280, 1), (640, 1), (320, 1)]),
    ],
)
def test_no_variant_is_wider_than_the_original(width: int, height: int, sizes: list[tuple[int, int]]) -> None:
    made = list(images.variants(io.BytesIO(corpus.file(corpus.grainy(width, height), "PNG")), WIDTHS))

    assert [(image.width, image.height, image.format) for image in made] == [
        (*size, kind) for size in sizes for kind in ("jpeg", "webp")
    ]


@pytest.mark.parametrize("name", corpus.FORMATS)
def test_every_format_is_decoded(name: str) -> None:
    kind, options = corpus.FORMATS[name]

    made = variants(corpus.file(corpus.quarters(1500, 1000), kind, **options))

    assert len(made) == 6
    assert all(right_way_up(image) for image in made.values())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    made = variants(corpus.oriented(corpus.quarters(900, 600), orientation, kind))

    assert {name: image.size for name, image in made.items() if name.endswith("webp")} == {
        "900.webp": (900, 600),
        "640.webp": (640, 427),
        "320.webp": (320, 213),
    }
    assert all(right_way_up(image) for image in made.values())


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_invalid_orientation_is_ignored(orientation: int) -> None:
    made = variants(corpus.oriented(corpus.quarters(900, 600), orientation, "JPEG"))

    assert right_way_up(made["640.jpeg"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"rubbish", b"MM\0\x2a\0\0\xff\xff", b"MM\0\x2a\0\0\0\x08\0\x01\x01"])
def test_broken_exif_is_ignored(kind: str, exif: bytes) -> None:
    content = corpus.file(corpus.quarters(400, 300), kind, exif=b"Exif\0\0" + exif)

    assert right_way_up(variants(content)["320.jpeg"])


@pytest.mark.parametrize(("name", "content"), corpus.modes().items(), ids=corpus.modes())
def test_every_mode_keeps_its_colours(name: str, content: bytes) -> None:
    wanted = (255,) * 3 if "1-bit" in name else (128,) * 3 if "grey" in name else corpus.RED

    for image in variants(content).values():
        assert image.mode == "RGB"
        assert near(image.getpixel((image.width // 2, image.height // 2)), wanted), name


@pytest.mark.parametrize(("name", "content"), corpus.half_transparent().items(), ids=corpus.half_transparent())
def test_transparent_pixels_stay_transparent_in_webp_and_are_white_in_jpeg(name: str, content: bytes) -> None:
    made = variants(content)
    webp, jpeg = made["320.webp"], made["320.jpeg"]

    assert webp.mode == "RGBA"
    assert near(webp.getpixel((80, 120)), (*corpus.RED, 255))
    assert webp.getpixel((240, 120))[3] == 0
    assert near(jpeg.getpixel((80, 120)), corpus.RED)
    assert near(jpeg.getpixel((240, 120)), (255, 255, 255))


def test_colours_of_transparent_pixels_do_not_bleed() -> None:
    image = Image.new("RGBA", (4000, 3000), (0, 255, 0, 0))
    image.paste((*corpus.RED, 255), (1001, 0, 4000, 3000))

    edge = variants(corpus.file(image, "PNG", compress_level=1))["1280.webp"].getpixel((321, 400))

    assert near(edge[:3], corpus.RED, 30)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_only_the_first_frame_of_an_animation_is_used(kind: str) -> None:
    made = variants(corpus.animation(kind, 300 if kind == "GIF" else 5))

    assert near(made["64.jpeg"].getpixel((30, 20)), corpus.RED)
    assert getattr(made["64.webp"], "n_frames", 1) == 1


@pytest.mark.parametrize(("name", "content"), corpus.bombs().items(), ids=corpus.bombs())
def test_a_decompression_bomb_is_rejected_by_its_header(name: str, content: bytes) -> None:
    assert len(content) < 1_000_000
    assert reason(content) == "too many pixels"


def test_the_pixel_limit_is_exact() -> None:
    content = corpus.file(corpus.grainy(100, 100), "PNG")

    assert len(variants(content, max_pixels=10_000)) == 2
    assert reason(content, max_pixels=9_999) == "too many pixels"


@pytest.mark.parametrize(("width", "height"), [(8192, 8192), (8192, 8193)])
def test_an_original_has_at_most_67_megapixels(width: int, height: int) -> None:
    header = struct.pack("<IIIIiiHHIIiiII", 62, 0, 62, 40, width, height, 1, 1, 0, 0, 0, 0, 0, 0)

    assert reason(b"BM" + header + bytes(8)) == ("truncated" if height == 8192 else "too many pixels")


def test_a_jpeg_of_more_than_500_scans_is_rejected() -> None:
    assert reason(corpus.many_scans(501)) == "too many scans"
    assert variants(corpus.many_scans(500))


def test_a_tall_image_has_only_widths_that_webp_supports() -> None:
    tall, taller = (corpus.file(Image.new("L", (700, height), 128), "PNG") for height in (20_000, 40_000))

    assert set(variants(tall)) == {"320.jpeg", "320.webp"}
    assert reason(taller) == "too tall"
    assert set(variants(corpus.file(Image.new("L", (9, 16_383)), "PNG"))) == {"9.jpeg", "9.webp"}
    assert reason(corpus.file(Image.new("L", (9, 16_384)), "PNG")) == "too tall"


@pytest.mark.parametrize(("name", "content"), corpus.unsupported().items(), ids=corpus.unsupported())
def test_other_image_formats_are_unsupported(name: str, content: bytes) -> None:
    assert reason(content) == "unsupported format"


@pytest.mark.parametrize(("name", "content"), corpus.not_images().items(), ids=corpus.not_images())
def test_a_file_that_is_not_an_image_is_rejected(name: str, content: bytes) -> None:
    assert reason(content) == "not an image"


ODD = corpus.odd()
CUT = {name for name in ODD if name.startswith("half") and "an end" not in name} | {
    *("no last bytes.jpg", "no last bytes.gif", "wrong size of the container.webp")
}
OTHER_COLOURS = {
    name
    for name in ODD
    if any(word in name for word in ("gamma 1", "P3", "2020", "checksum", "profile and", "grey", "frames"))
}
GRAINY = {"no end, progressive.jpg", "no last scan.jpg", "2 of 3 bits.bmp"}
TRANSPARENT = {name for name in ODD if "one transparent" in name}


@pytest.mark.parametrize("name", sorted(ODD.keys() - CUT))
def test_an_odd_file_that_browsers_show_is_decoded(name: str) -> None:
    made = variants(ODD[name])

    assert len(made) == 2
    assert name in OTHER_COLOURS | GRAINY | TRANSPARENT or right_way_up(made[max(made)])


@pytest.mark.parametrize("name", sorted(CUT))
def test_a_file_that_lacks_pixels_is_truncated(name: str) -> None:
    assert reason(ODD[name]) == "truncated"


@pytest.mark.parametrize("bits", [4, 8])
def test_run_lengths_of_a_bitmap_are_decoded(bits: int) -> None:
    image = variants(corpus.run_lengths(bits))["96.webp"].convert("RGB")

    assert near(image.getpixel((50, 10)), corpus.RED)
    assert near(image.getpixel((7, 3)), corpus.RED)
    assert near(image.getpixel((50, 1)), (0, 0, 0))
    assert reason(corpus.run_lengths(bits)[:-20]) == "truncated"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gamma 1.png", (239, 110, 110)),
        ("gamma 1 of a palette.png", (239, 110, 110)),
        ("gamma 1 of grey.png", (163, 163, 163)),
        ("gamma 0.png", corpus.RED),
        ("wrong checksum of gAMA.png", corpus.RED),
        ("sRGB and gamma 1.png", corpus.RED),
        ("P3's primaries.png", corpus.RED),
        ("P3's primaries and gamma 1.png", (255, 100, 106)),
        ("profile and gamma 1.png", (40, 220, 40)),
        ("code points of P3.png", (240, 0, 21)),
        ("code points of BT.2020.png", (255, 0, 0)),
        ("unspecified code points.png", corpus.RED),
    ],
)
def test_colours_are_those_that_chromium_shows(name: str, shown: tuple[int, int, int]) -> None:
    assert near(corner_colours(decoded(ODD[name]))[0], shown, 4)


def test_a_png_with_the_gamma_of_srgb_has_its_colours() -> None:
    dark = corpus.png(Image.new("RGB", (400, 300), (20, 20, 20)), [(b"gAMA", (45_455).to_bytes(4))])

    assert near(decoded(dark).getpixel((9, 9)), (20, 20, 20), 2)


@pytest.mark.parametrize("size", [(3000, 1500), (1500, 3000)])
def test_a_photo_is_reduced_as_much_upright_as_lying(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller factor would take more time for the same picture."""
    factors: list[int] = []
    reduced = images._reduced
    monkeypatch.setattr(images, "_reduced", lambda image, factor: (factors.append(factor), reduced(image, factor))[1])

    images._resized(Image.new("RGB", size), (size[0] // 10, size[1] // 10))

    assert factors == [6]


@pytest.mark.parametrize(
    ("primaries", "transfer", "shown"),
    [
        *[(1, 4, (201, 57, 35)), (1, 5, (189, 36, 17)), (1, 7, (206, 77, 58)), (1, 8, (229, 133, 110))],
        *[(1, 13, None), (2, 2, None), (1, 99, None), (5, 13, (204, 60, 40)), (6, 13, (195, 66, 39))],
        *[(9, 13, (247, 0, 23)), (10, 13, (255, 0, 64)), (11, 13, (212, 42, 24)), (12, 13, (217, 42, 23))],
    ],
)
def test_code_points_are_those_that_chromium_shows(
    primaries: int, transfer: int, shown: tuple[int, int, int] | None
) -> None:
    profile = colour_profiles.of_code_points(primaries, transfer)

    assert (profile is None) == (shown is None)
    content = corpus.file(Image.new("RGB", (400, 300), (200, 60, 40)), "PNG", icc_profile=profile or b"")
    assert near(decoded(content).getpixel((9, 9)), shown or (200, 60, 40), 3)


@pytest.mark.parametrize(
    ("transfer", "shown"), [(16, (1, 9, 30, 70, 132, 213, 255)), (18, (5, 21, 43, 71, 99, 135, 189))]
)
def test_highlights_are_compressed_as_in_chromium(transfer: int, shown: tuple[int, ...]) -> None:
    levels = (20, 40, 64, 96, 128, 160, 192)
    steps = Image.new("RGB", (7, 1))
    for x, level in enumerate(levels):
        steps.putpixel((x, 0), (level,) * 3)
    content = corpus.file(steps, "PNG", icc_profile=colour_profiles.of_code_points(9, transfer))

    assert near([decoded(content).getpixel((x, 0))[0] for x in range(7)], shown, 3)


@pytest.mark.parametrize(
    ("transfer", "shown"),
    [*[(same, (200, 60, 40)) for same in (1, 6, 13, 14, 15)], (5, (189, 36, 17)), (8, (229, 133, 110))],
)
def test_an_avif_has_the_colours_of_its_code_points(transfer: int, shown: tuple[int, int, int]) -> None:
    content = corpus.file(Image.new("RGB", (400, 300), (200, 60, 40)), "AVIF", quality=100, subsampling="4:4:4")
    assert content.count(b"colrnclx\0\1\0\x0d") == 1

    described = content.replace(b"colrnclx\0\1\0\x0d", b"colrnclx\0\1\0" + bytes([transfer]))

    assert near(decoded(described).getpixel((9, 9)), shown, 4)


@pytest.mark.parametrize("name", sorted(TRANSPARENT))
def test_one_transparent_colour_of_any_depth_stays_transparent(name: str) -> None:
    alpha = variants(ODD[name])["96.webp"].getchannel("A")

    assert alpha.getcolors() == [
        (96 * 64 // (4 if name.startswith("2 bits") else 2), 0),
        (96 * 64 - 96 * 64 // (4 if name.startswith("2 bits") else 2), 255),
    ]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP"])
def test_pixel_art_stays_sharp(kind: str) -> None:
    art = Image.new("RGB", (96, 64), (255, 0, 0))
    for x in range(0, 96, 2):
        art.paste((0, 0, 255), (x, 0, x + 1, 64))

    made = variants(corpus.file(art, kind, **({"lossless": True} if kind == "WEBP" else {})))

    assert ImageChops.difference(made["96.webp"].convert("RGB"), art).getbbox() is None
    assert near(made["96.jpeg"].getpixel((10, 10)), (0, 0, 255), 40)
    assert near(made["96.jpeg"].getpixel((11, 10)), (255, 0, 0), 40)


def test_a_photo_of_few_colours_is_not_stored_without_loss() -> None:
    photo = corpus.grainy(300, 200).quantize(200)

    (webp,) = (
        image for image in images.variants(io.BytesIO(corpus.file(photo, "GIF")), WIDTHS) if image.format == "webp"
    )

    assert b"VP8L" not in webp.content[:32]


CHUNKS = st.tuples(
    st.sampled_from(
        [b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"iCCP", b"gAMA", b"cHRM", b"cICP", b"sRGB", b"eXIf", b"acTL", b"IEND"]
    ),
    st.binary(max_size=40),
    st.integers(-3, 3) | st.just(2**31),
)


@given(st.integers(0, 255), st.integers(0, 7), st.lists(CHUNKS, max_size=8))
def test_any_chunks_are_rejected_or_decoded(depth: int, colour: int, chunks: list[tuple[bytes, bytes, int]]) -> None:
    content = b"\x89PNG\r\n\x1a\n"
    header = (b"IHDR", struct.pack(">IIBBBBB", 9, 7, depth, colour, 0, 0, 0), 0)
    for name, data, more in [header, *chunks, (b"IDAT", zlib.compress(bytes(9 * 7 * 9)), 0)]:
        content += struct.pack(">I", max(0, len(data) + more)) + name + data + zlib.crc32(name + data).to_bytes(4)

    assert decoded_or_rejected(content)


@given(
    st.sampled_from([12, 16, 40, 52, 56, 64, 108, 124]),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    st.sampled_from([0, 1, 2, 4, 8, 16, 24, 32, 64]),
    st.integers(0, 7),
    st.integers(0, 300),
    st.binary(max_size=400),
)
def test_any_bitmap_is_rejected_or_decoded(
    header: int, sides: tuple[int, int], bits: int, compression: int, colours: int, data: bytes
) -> None:
    fields = struct.pack("<iiHHIIiiII", *sides, 1, bits, compression, 0, 0, 0, colours, 0)

    assert decoded_or_rejected(b"BM" + struct.pack("<IHHII", 0, 0, 0, 14 + header, header) + fields + data)


def decoded_or_rejected(content: bytes) -> bool:
    """Fail if anything else is raised than Rejected, or if the variants are not complete."""
    with contextlib.suppress(Rejected):
        return len(list(images.variants(io.BytesIO(content), WIDTHS, max_pixels=1_000_000))) >= 2
    return True


@pytest.mark.parametrize("name", corpus.FORMATS)
def test_an_incomplete_image_is_truncated(name: str) -> None:
    kind, options = corpus.FORMATS[name]
    content = corpus.file(corpus.grainy(200, 150), kind, **options)

    for percent in range(1, 85):
        assert reason(content[: len(content) * percent // 100]) == "truncated", percent
    # The last bytes of some formats are not pixels, and those of the two-picture JPEG are its second picture.
    for cut in range(1, len(content) * 15 // 100, 50):
        with contextlib.suppress(Rejected):
            assert len(variants(content[:-cut])) == 2


@pytest.mark.parametrize("name", corpus.FORMATS)
def test_a_signature_alone_is_not_an_image(name: str) -> None:
    kind, options = corpus.FORMATS[name]
    content = corpus.file(corpus.grainy(200, 150), kind, **options)

    for length in range(0, 200, 3):
        assert reason(content[:length]) in ("not an image", "truncated", "unsupported format"), length


SIGNATURES = [corpus.file(corpus.grainy(64, 48), kind, **options) for kind, options in corpus.FORMATS.values()]


@settings(max_examples=300)
@given(
    st.sampled_from(SIGNATURES),
    st.integers(0, 64),
    st.lists(st.tuples(st.integers(0, 4_000), st.binary(min_size=1, max_size=8)), max_size=12),
    st.binary(max_size=200),
)
def test_a_damaged_image_is_rejected_or_decoded(
    content: bytes, kept: int, damages: list[tuple[int, bytes]], tail: bytes
) -> None:
    damaged = bytearray(content if damages else content[:kept] + tail)
    for position, patch in damages:
        damaged[position : position + len(patch)] = patch
    made = None
    with contextlib.suppress(Rejected):
        made = list(images.variants(io.BytesIO(bytes(damaged)), WIDTHS, max_pixels=1_000_000))

    assert made is None or len(made) >= 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("profile", [b"", corpus.swapped_profile() + b"SECRET"], ids=["no profile", "profile"])
def test_variants_have_no_metadata(kind: str, profile: bytes) -> None:
    content = corpus.with_metadata(kind, profile)
    assert b"SECRET" in content

    for image in images.variants(io.BytesIO(content), WIDTHS):
        decoded = opened(image)
        assert b"SECRET" not in image.content
        assert not set(decoded.info) & {"exif", "icc_profile", "xmp", "comment", "photoshop"}
        assert not decoded.getexif()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_colour_profile_is_applied(kind: str) -> None:
    content = corpus.file(Image.new("RGB", (2000, 1500), (200, 0, 0)), kind, icc_profile=corpus.swapped_profile())

    for image in variants(content).values():
        red, green, _ = image.getpixel((100, 100))
        assert red < 30 < 170 < green


def test_the_colour_profile_of_a_transparent_image_is_applied() -> None:
    image = Image.new("RGBA", (400, 300), (200, 0, 0, 100))
    content = corpus.file(image, "PNG", icc_profile=corpus.swapped_profile())

    assert near(variants(content)["320.webp"].getpixel((100, 100)), (0, 200, 0, 100), 30)


@pytest.mark.parametrize("profile", [b"rubbish", corpus.swapped_profile()[:200], corpus.swapped_profile()])
def test_a_profile_that_does_not_fit_is_ignored(profile: bytes) -> None:
    content = corpus.file(Image.new("L", (400, 300), 90), "JPEG", icc_profile=profile)

    assert near(variants(content)["320.jpeg"].getpixel((9, 9)), (90, 90, 90))


LARGE = {
    "baseline": ((8660, 5773), "RGB", {}),
    "progressive": ((8660, 5773), "RGB", {"progressive": True, "subsampling": "4:2:0"}),
    "progressive, all colours": ((7070, 7070), "RGB", {"progressive": True, "subsampling": "4:4:4"}),
    "progressive CMYK": ((7070, 7070), "CMYK", {"progressive": True}),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_jpeg_of_50_megapixels_needs_less_than_512_megabytes(name: str, tmp_path: Path) -> None:
    size, mode, options = LARGE[name]
    photo = tmp_path / "photo.jpg"
    corpus.grainy(*size, mode).save(photo, "JPEG", quality=75, **options)

    assert photo.stat().st_size > 6_000_000
    assert _peak_megabytes(photo) < 512


def _peak_megabytes(photo: Path) -> float:
    """Make the variants in a process that has loaded boto3 and a client of S3, as the function has."""
    program = f"""
import boto3, re
from chalicelib import images
boto3.client("s3", region_name="us-east-1")
with open({str(photo)!r}, "rb") as file:
    assert sum(1 for _ in images.variants(file, {WIDTHS})) == 6
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""
    environment = {"PYTHONPATH": f"{ROOT / 'blog-app'}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout) / 1024
