"""Pictures: decoded whole, turned upright, made no larger than screens need, and written anew without anything else."""

from math import ceil
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageFile, ImageOps, PngImagePlugin

from mystira.mediafiles.forms import Form
from mystira.mediafiles.sniffing import refused

LONG_SIDE_MAX = 2_048
THUMBNAIL_SIDE = 320
QUALITY, EFFORT = 82, 3
STRIP = 128
# The decoder of WebP holds four pictures at once.
WEBP_SHARE = 0.42
ORIENTATION = 0x0112
# Small enough that no text inside a PNG costs memory worth speaking of.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = 1_000_000
ImageFile.LOAD_TRUNCATED_IMAGES = False
# Our own limit comes first, and is told in a sentence.
Image.MAX_IMAGE_PIXELS = None

Broken = (OSError, SyntaxError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError, EOFError)
"""What Pillow raises over files that are not what they say."""


class Picture(NamedTuple):
    """What a cleaned picture is."""

    width: int
    height: int


def clean_picture(source: Path, form: Form, target: Path, thumbnail: Path, pixels_max: int) -> Picture:
    """Write the picture anew as WebP, and a small one beside it; of a moving one the first image is kept."""
    try:
        # What was decoded is let go here, before what is shown is encoded: both at once would take too much memory.
        upright = _upright(_opened(source, form, pixels_max))
    except Broken as error:
        message = "This picture is damaged, or not all of it arrived. Save it again, then send it once more."
        raise refused("damaged_picture", message) from error
    upright.save(target, "WEBP", quality=QUALITY, method=EFFORT)
    small = upright.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    small.save(thumbnail, "WEBP", quality=QUALITY, method=EFFORT)
    return Picture(*upright.size)


def _opened(source: Path, form: Form, pixels_max: int) -> Image.Image:
    with Image.open(source, formats=(form.name,)) as opened:
        _refuse_large(opened.size, form, pixels_max)
        return _decoded(opened)


def _refuse_large(size: tuple[int, int], form: Form, pixels_max: int) -> None:
    pixels = size[0] * size[1]
    most = int(pixels_max * WEBP_SHARE) if form.name == "WEBP" else pixels_max
    if pixels > most or not pixels:
        other = " as WebP; as PNG or JPEG it may be twice as large" if form.name == "WEBP" else ""
        message = (
            f"This picture has {size[0]:,} x {size[1]:,} = {pixels:,} points; at most {most:,} are taken{other}. "
            f"Make it smaller: nothing is shown larger than {LONG_SIDE_MAX:,} points."
        )
        raise refused("too_many_pixels", message)


def _decoded(opened: ImageFile.ImageFile) -> Image.Image:
    if opened.format == "JPEG":
        # Where the decoder can leave out what would be thrown away, it is faster and takes less memory.
        opened.draft(None, (LONG_SIDE_MAX, LONG_SIDE_MAX))
    orientation = _orientation(opened)
    opened.load()
    has_palette = opened.mode in ("P", "PA", "1")
    plain = opened.convert("RGBA" if "transparency" in opened.info else "RGB") if has_palette else opened
    factor = ceil(max(plain.size) / LONG_SIDE_MAX)
    made = _reduced(plain, factor) if factor > 1 else plain.copy()
    is_clear = "A" in made.mode or "a" in made.mode or "transparency" in opened.info
    shown = made.convert("RGBA" if is_clear else "RGB")
    # Nothing of what came with the picture goes on with it.
    shown.info = {}
    shown.getexif()[ORIENTATION] = orientation
    return shown


def _reduced(image: Image.Image, factor: int) -> Image.Image:
    """Return the picture smaller by a whole factor, made strip by strip: at once it would be copied whole."""
    width, height = image.size
    made = Image.new(image.mode, (ceil(width / factor), ceil(height / factor)))
    for top in range(0, height, STRIP * factor):
        strip = image.crop((0, top, width, min(height, top + STRIP * factor)))
        made.paste(strip.reduce(factor), (0, top // factor))
    return made


def _upright(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    upright.info = {}
    upright.getexif().clear()
    return upright


def _orientation(opened: ImageFile.ImageFile) -> int:
    found = opened.getexif().get(ORIENTATION, 1)
    return found if found in range(1, 9) else 1
