"""Images: files, 8-bit sRGB pixels and tensors; limits against hostile files; marks of provenance.

Pixels are uint8 [H, W, 3], RGB, upright, sRGB. Only pixels are taken from a file, so written images carry no EXIF and
no location. Every written image says that a generative model edited it.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageCms, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from zplus import __version__
from zplus.errors import ImageError
from zplus.files import atomic
from zplus.image_limits import (
    LARGE,
    MAX_BYTES,
    MAX_EXIF,
    MAX_SIDE,
    Patient,
    check_jpeg,
    check_size,
    is_plain_profile,
    too_large,
)
from zplus.video import Frame, Timing, is_video, write_film, write_mp4

MAX_PIXELS = 64_000_000  # a decoded picture of this size takes 192 MB, and about 500 MB while it is decoded
BAND = 256  # rows that are converted at a time
MIN_SIDE = 32  # no face can be seen below that
READ = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")  # none of them starts another program
READABLE = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")  # ends of their names
WRITTEN = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
MAX_WRITTEN = {"JPEG": 65_500, "WEBP": MAX_SIDE}  # pixels a side that a format can hold
TOOL = f"zplus {__version__}"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
Images = Tensor | np.ndarray | Image.Image | Sequence[Any]  # see as_batch
AS_STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # EXIF orientation -> the upright picture as it is stored
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[:, ::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[::-1].swapaxes(0, 1),
}
_one_at_a_time = Lock()
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{comment}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


def example_photo() -> Path:
    """The path of the example photo, NASA's portrait of Eileen Collins."""
    shipped = Path(__file__).parent / "studio" / "astronaut.png"
    return shipped if shipped.is_file() else Path(__file__).parents[2] / "examples" / "astronaut.png"


def read_image(
    path: str | Path, max_pixels: int = MAX_PIXELS, min_side: int = MIN_SIDE, behind: str = "white"
) -> UInt8[np.ndarray, "h w 3"]:
    """Read an image file: pixels uint8 [H, W, 3], sRGB, upright by EXIF; the first frame.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF or PPM.
        max_pixels: Larger images are refused before they are decoded.
        min_side: Images with a shorter side, in pixels, are refused too.
        behind: The colour that transparent parts show.

    Raises:
        ImageError: There is no image that can be used.
    """
    path = Path(path)
    _check_file(path)
    try:
        return _decode(path, max_pixels, min_side, behind)
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(too_large(path, max_pixels)) from error
    except UnidentifiedImageError as error:
        known = ", ".join(READ)
        raise ImageError(f"{path} is not a picture of a kind that can be read: give one of {known}.") from error
    except Exception as error:  # decoders meet hostile bytes with exceptions of every kind
        raise ImageError(f"{path} is damaged or cut short ({error}): get it again.") from error


def to_tensor(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "1 3 h w"]:
    """Pixels as an image for networks: float32 [1, 3, H, W] in [-1, 1], RGB."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1


def as_batch(images: Images) -> Float[Tensor, "n 3 h w"]:
    """Images of one size as float32 [N, 3, H, W] in [-1, 1], RGB.

    Args:
        images: Floats [N, 3, H, W] or [3, H, W] in [-1, 1]; pixels uint8 [N, H, W, 3] or [H, W, 3]; Pillow images, read
            as `read_image` does; a list of these.

    Raises:
        ImageError: It is anything else.
    """
    if isinstance(images, Image.Image):
        return to_tensor(_upright_rgb(images, "The image"))
    if isinstance(images, list | tuple) and images:
        batches = [as_batch(image) for image in images]
        if len({x.shape[1:] for x in batches}) != 1:
            raise ImageError("Images of one size are needed for a batch: align them, or give them one by one.")
        return torch.cat(batches)
    if isinstance(images, np.ndarray) and (images.dtype.kind == "f" or images.dtype == np.uint8):
        plain = np.uint8 if images.dtype == np.uint8 else np.float32
        images = torch.from_numpy(np.array(images, plain))  # a copy, in a layout and byte order that torch knows
    if isinstance(images, Tensor) and images.numel():
        batch = images[None] if images.ndim == 3 else images
        if batch.ndim == 4 and batch.is_floating_point() and batch.shape[1] == 3:
            return batch.float()
        if batch.ndim == 4 and batch.dtype == torch.uint8 and batch.shape[3] == 3:
            return batch.permute(0, 3, 1, 2).float() / 127.5 - 1
    got = f"{images.dtype} {list(images.shape)}" if isinstance(images, Tensor | np.ndarray) else type(images).__name__
    raise ImageError(f"Images are {got}: give floats [N,3,H,W] in [-1,1], or pixels uint8 [H,W,3].")


def to_pixels(image: Tensor) -> UInt8[np.ndarray, "h w 3"]:
    """An image [3, H, W] in [-1, 1] as uint8 [H, W, 3], rounded (halves up) and clamped. It inverts `to_tensor`.

    Raises:
        ImageError: It is a batch, has any other shape, or values that are not finite.

    Examples:
        >>> to_pixels(torch.tensor([-1.5, 0.0, 1.0]).reshape(3, 1, 1)).tolist()
        [[[0, 128, 255]]]
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ImageError(f"to_pixels takes one image [3,H,W], got {list(image.shape)}: of a batch take images[0].")
    if not image.isfinite().all():
        raise ImageError(
            "The image has values that are no numbers: its weights or codes are damaged, or far too large."
        )
    values = (image.detach().cpu().float() * 127.5 + 128).floor().clamp(0, 255)
    return values.to(torch.uint8).permute(1, 2, 0).contiguous().numpy()


def fitted(pixels: UInt8[np.ndarray, "_ _ 3"], side: int) -> UInt8[np.ndarray, "_ _ 3"]:
    """The image reduced to `side` pixels on its longer side; unchanged if it is smaller."""
    image = Image.fromarray(pixels)
    scale = side / max(image.size)
    if scale >= 1:
        return pixels
    size = max(1, round(scale * image.width)), max(1, round(scale * image.height))
    return np.array(image.resize(size, Image.Resampling.LANCZOS))


def write_image(path: str | Path, pixels: UInt8[np.ndarray, "h w 3"], note: str = "") -> None:
    """Write pixels as PNG, JPEG or WebP, marked as edited by a generative model.

    The mark is IPTC's DigitalSourceType in XMP, and plain text in PNG files.

    Args:
        path: Its suffix selects the format. The file is written whole or not at all.
        pixels: uint8 [H, W, 3], RGB.
        note: What was edited; it becomes part of the mark.

    Raises:
        ImageError: The suffix is unknown, the pixels have another type or are too many for it, or the file cannot be
            written.
    """
    kind = written_format(path)
    with atomic(path, ImageError) as temporary:
        _save(temporary, pixels, kind, note)


def image_bytes(pixels: UInt8[np.ndarray, "h w 3"], suffix: str, note: str = "") -> bytes:
    """The bytes that `write_image` writes to a file with this suffix."""
    content = BytesIO()
    _save(content, pixels, WRITTEN[suffix], note)
    return content.getvalue()


def write_animation(
    path: str | Path, frames: Sequence[UInt8[np.ndarray, "h w 3"]], rate: float, note: str = ""
) -> None:
    """Write frames uint8 [H, W, 3] of one size at `rate` frames a second, with marks.

    By its suffix, the file is an MP4 (H.264) or a looping WebP.

    Raises:
        MissingExtraError: It is an MP4, and PyAV is not installed.
    """
    with atomic(path, ImageError) as temporary:
        if is_video(path):
            write_mp4(temporary, frames, rate, _comment(note), provenance_xmp(note))
            return
        first, *others = (Image.fromarray(frame) for frame in frames)
        options = _options("WEBP", note) | {"append_images": others, "duration": round(1000 / rate), "loop": 0}
        first.save(temporary, format="WEBP", save_all=True, **options)


def write_edited_film(
    path: str | Path, frames: Iterable[Frame], timing: Timing, note: str, quality: int, sound: Path | None
) -> None:
    """Write a film frame by frame, with marks, for its owner alone. See `zplus.video.write_film`."""
    with atomic(path, ImageError) as temporary:
        write_film(temporary, frames, timing, _comment(note), provenance_xmp(note), quality, sound)


def is_animation(path: str | Path) -> bool:
    """Whether `write_animation` writes a file of this name.

    Raises:
        MissingExtraError: It is an MP4, and PyAV is not installed.
    """
    return is_video(path) or Path(path).suffix.lower() == ".webp"


def written_format(path: str | Path) -> str:
    """The format for a file name. Raises ImageError if its suffix is unknown."""
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN:
        raise ImageError(f"{path} cannot be written as a picture: end its name in one of {', '.join(WRITTEN)}.")
    return WRITTEN[suffix]


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise ImageError(f"{path} is a folder: give a picture in it.")
        if not path.is_file():
            raise ImageError(f"{path} does not exist or is not a file: check the name.")
        if (size := path.stat().st_size) == 0:
            raise ImageError(f"{path} is empty: get it again.")
        if size > MAX_BYTES:
            raise ImageError(f"{path} has {size / 1e9:.1f} GB, as no photo has: make it smaller first.")
        path.open("rb").close()
    except (OSError, ValueError) as error:  # not permitted, too long a name, a name with a zero byte
        raise ImageError(f"{path} cannot be read ({error}): check its name and its permissions.") from error


def _decode(path: Path, max_pixels: int, min_side: int, behind: str) -> UInt8[np.ndarray, "h w 3"]:
    Image.init()
    known = [kind for kind in READ if kind in Image.OPEN]
    with path.open("rb") as file:
        check_jpeg(path, file)
        with Image.open(Patient(file, path.stat().st_size), formats=known) as image:
            check_size(path, image, max_pixels, min_side)
            with _one_at_a_time if math.prod(image.size) > LARGE else nullcontext():
                image.load()
                return _upright_rgb(image, path, behind)


def _upright_rgb(image: Image.Image, name: str | Path, behind: str = "white") -> UInt8[np.ndarray, "h w 3"]:
    """The pixels of an image: upright by EXIF, in sRGB, on a colour where transparent; in bands, for little memory."""
    orientation, (width, height) = _orientation(image), image.size
    to_rgb = _profiled(image.info.get("icc_profile"))
    pixels = np.empty((width, height, 3) if orientation >= 5 else (height, width, 3), np.uint8)
    stored = AS_STORED.get(orientation, lambda x: x)(pixels)
    for top in range(0, height, BAND):
        band = image.crop((0, top, width, min(top + BAND, height)))
        stored[top : top + BAND] = _to_srgb(_to_8_bit(name, band), to_rgb, behind)
    return pixels


def _orientation(image: Image.Image) -> int:
    if any(len(image.info.get(key, b"")) > MAX_EXIF for key in ("exif", "Raw profile type exif")):
        return 1
    try:
        found = int(image.getexif().get(0x0112, 1))
        return found if found in AS_STORED else 1
    except Exception:  # damaged EXIF does not spoil the picture
        return 1


def _to_8_bit(name: str | Path, image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ImageError(f"{name} holds floating-point pixels: save it with 8 or 16 bits a channel.")
    if image.mode.startswith("I"):  # greyscale of 16 bits
        return Image.fromarray((np.asarray(image).astype(np.float64) / 257).round().clip(0, 255).astype(np.uint8))
    return image


def _to_srgb(image: Image.Image, to_rgb: Callable[[Image.Image], Image.Image], behind: str) -> Image.Image:
    """RGB in sRGB; what is transparent shows the colour behind."""
    if not image.has_transparency_data:
        return to_rgb(image.convert("RGB") if image.mode in ("1", "P") else image)
    layered = image.convert("RGBA")
    rgb = to_rgb(layered.convert("RGB"))
    whole = Image.new("RGB", rgb.size, behind)
    whole.paste(rgb, mask=layered.getchannel("A"))
    return whole


def _profiled(profile: bytes | None) -> Callable[[Image.Image], Image.Image]:
    """What brings parts of a picture into RGB and sRGB by its ICC profile.

    A profile that is damaged, meant for other channels, or made to take long is passed over.
    """

    @cache  # once for all parts of a picture
    def transform(mode: str) -> ImageCms.ImageCmsTransform | None:
        try:
            source = ImageCms.getOpenProfile(BytesIO(profile or b""))
            if mode == "RGB" and "srgb" in ImageCms.getProfileDescription(source).lower():
                return None
            target = ImageCms.createProfile("sRGB")
            intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
            return ImageCms.buildTransform(source, target, mode, "RGB", intent, flags)
        except (ImageCms.PyCMSError, OSError, ValueError):
            return None

    def to_rgb(image: Image.Image) -> Image.Image:
        found = transform(image.mode) if profile and is_plain_profile(profile) else None
        return image.convert("RGB") if found is None else found.apply(image)

    return to_rgb


def _save(file: Path | BytesIO, pixels: UInt8[np.ndarray, "h w 3"], kind: str, note: str) -> None:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError("Pixels to write must be uint8 [H, W, 3]: make them by to_pixels(image).")
    if max(pixels.shape) > MAX_WRITTEN.get(kind, math.inf):
        raise ImageError(
            f"A {kind} holds at most {MAX_WRITTEN[kind]} pixels a side, got {max(pixels.shape)}: take PNG."
        )
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, format=kind, **_options(kind, note))


def provenance_xmp(note: str = "") -> bytes:
    """The mark of an image that a generative model edited, as XMP; `note` says what was edited."""
    return XMP.format(source=SOURCE_TYPE, tool=TOOL, comment=escape(_comment(note))).encode()


def _comment(note: str) -> str:
    return "Edited by a generative model" + (f": {_plain(note)}" if note else "")


def _options(kind: str, note: str) -> dict[str, Any]:
    comment, packet = _comment(note), provenance_xmp(note)
    if kind == "JPEG":
        return {"quality": 95, "subsampling": "4:4:4", "xmp": packet, "comment": comment.encode()}
    if kind == "WEBP":
        return {"quality": 95, "xmp": packet}
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", TOOL)
    text.add_text("Comment", comment)
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    return {"pnginfo": text}


def _plain(note: str) -> str:
    """What XML and a comment can hold: printable, and not endless."""
    return "".join(c if c.isprintable() else " " for c in note)[:1000]
