"""Films through PyAV (the extra `video`): read frame by frame, and written as MP4 (H.264), which every player shows.

A film that is written keeps the times of its source's frames and a copy of its sound.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from jaxtyping import UInt8

from zplus.errors import ImageError, MissingExtraError, printable
from zplus.files import regular

XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes  # of ISO media (XMP specification, part 3, section 1.2.7)
BT709 = 1  # the code of sRGB's primaries, and of the matrix that players of large pictures expect (ITU-T H.273)
UNKNOWN = 2  # the code of a matrix that nobody stated: players take that of BT.709 from HD_HEIGHT on
HD_HEIGHT = 720
SHARP = 16  # x264's quality (CRF) at which hardly anybody sees a difference
GROUP = 12  # frames from one that stands alone to the next, so that players can jump
FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,ogg,gif,h264,hevc,m4v"  # none of them opens another file
MAX_PIXELS = 36_000_000  # of a frame: 8K has 33 million
MIN_SIDE = 32  # pixels of a frame: no face can be seen below that

Pixels = UInt8[np.ndarray, "_ _ 3"]


class Frame(NamedTuple):
    """A frame of a film: its time, in units of the film's time base, and its pixels uint8 [H, W, 3], RGB, upright."""

    time: int
    pixels: Pixels


@dataclass(frozen=True)
class Timing:
    """When the frames of a film are shown.

    Attributes:
        rate: Frames a second, on average.
        base: Seconds of a unit of `Frame.time`.
    """

    rate: Fraction
    base: Fraction


def require_av() -> Any:
    """The module av. Raises MissingExtraError where it is not installed."""
    try:
        import av  # noqa: PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise MissingExtraError("av", "video") from error
    return av


def is_video(path: str | Path) -> bool:
    """Whether a name asks for an MP4. Raises MissingExtraError where none can be written: before work begins."""
    return Path(path).suffix.lower() == ".mp4" and bool(require_av())


def film_timing(path: Path) -> Timing:
    """When the frames of a film are shown.

    Raises:
        ImageError: The file is no film that can be read.
        MissingExtraError: PyAV is not installed.
    """
    with _opened(path) as container:
        stream = _pictures(path, container)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Timing(Fraction(rate), Fraction(stream.time_base or 1 / rate))


def film_frames(path: Path) -> Iterator[Frame]:
    """The frames of a film, one after the other.

    Raises:
        ImageError: The file is no film that can be read, or it is damaged; the message says from where on.
        MissingExtraError: PyAV is not installed.
    """
    timing, last, shape, i = film_timing(path), -1, None, 0
    step = max(1, round(1 / (timing.rate * timing.base)))
    with _opened(path) as container:
        stream = _pictures(path, container)
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # of any frame
        for i, frame in enumerate(_decoded(path, container)):
            shape = shape or (frame.width, frame.height)
            if (frame.width, frame.height) != shape:
                raise ImageError(f"{path} changes its size at frame {i}: cut it there, and edit the parts.")
            pixels = _upright(frame)
            time = frame.pts if frame.pts is not None else last + step if i else 0
            last = max(time, last + 1) if i else time
            yield Frame(last, pixels)
        if stream.frames and i + 1 < stream.frames * 0.9:
            raise ImageError(f"{path} is cut short: it has {i + 1} of {stream.frames} frames; get it again.")


def sound_of(path: Path) -> tuple[str, ...]:
    """The names of the codecs of a film's sound tracks, "unknown" for what PyAV does not know."""
    with _opened(path) as container:
        return tuple(map(_codec, container.streams.audio))


def fits_mp4(codec: str) -> bool:
    """Whether sound of a codec can be copied into an MP4."""
    return codec in {"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus", "mp2"}


def write_mp4(path: Path, frames: Sequence[Pixels], rate: float, comment: str, packet: bytes) -> None:
    """Write frames of one size, `rate` a second, with a comment and an XMP packet; an odd row or column is cut off."""
    fraction = Fraction(rate).limit_denominator(1000)
    timed = (Frame(i, pixels) for i, pixels in enumerate(frames))
    write_film(path, timed, Timing(fraction, 1 / fraction), comment, packet)


def write_film(
    path: Path,
    frames: Iterable[Frame],
    timing: Timing,
    comment: str,
    packet: bytes,
    quality: int = SHARP,
    sound: Path | None = None,
) -> None:
    """Write a film frame by frame, and beside them a copy of the sound of another.

    Args:
        path: The MP4 to write. An odd row or column of the frames is cut off: colours are kept for pairs of pixels.
        frames: Frames of one size, at least one.
        timing: Their rate and time base.
        comment: What players show as the comment.
        packet: An XMP packet.
        quality: x264's CRF, 0 (lossless) to 51.
        sound: A film whose sound is copied, as far as an MP4 can hold it.
    """
    av = require_av()
    upcoming = iter(frames)
    first = next(upcoming)
    height, width = (2 * (side // 2) for side in first.pixels.shape[:2])
    with ExitStack() as stack:
        container = stack.enter_context(av.open(path, "w", format="mp4", options={"movflags": "+faststart"}))
        container.metadata["comment"] = comment
        stream = container.add_stream("h264", timing.rate, {"crf": str(quality)})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", GROUP
        coder = stream.codec_context
        coder.time_base = timing.base
        coder.colorspace = coder.color_primaries = coder.color_trc = BT709
        copier = None if sound is None else _Sound(stack.enter_context(_opened(sound)), container)
        for time, pixels in chain([first], upcoming):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), "rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
            frame.pts, frame.time_base = time, timing.base
            container.mux(stream.encode(frame))
            if copier is not None:
                copier.copy(time * timing.base)
        container.mux(stream.encode(None))
        if copier is not None:
            copier.copy(None)
    with path.open("ab") as file:
        file.write(struct.pack(">I4s16s", 24 + len(packet), b"uuid", XMP_BOX) + packet)


class _Sound:
    """Copies the sound of a film beside its frames, so that none of it waits in memory."""

    def __init__(self, source: Any, target: Any):
        tracks = [track for track in source.streams.audio if fits_mp4(_codec(track))]
        self.target, self.streams = target, {x.index: target.add_stream_from_template(x) for x in tracks}
        self.packets = iter(source.demux(tracks)) if tracks else iter(())
        self.waiting: Any = None

    def copy(self, until: Fraction | None) -> None:
        """Copy what is heard up to a time in seconds; None copies all that is left."""
        for packet in chain([self.waiting] if self.waiting else [], self.packets):
            self.waiting = None
            if packet.dts is None:  # the mark of the end
                continue
            if until is not None and packet.dts * packet.time_base > until:
                self.waiting = packet
                return
            packet.stream = self.streams[packet.stream.index]
            self.target.mux(packet)


def _codec(track: Any) -> str:
    return track.codec_context.name if track.codec_context else "unknown"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A film as PyAV's container. Raises ImageError."""
    av = require_av()
    try:
        with regular(path).open("rb") as file, av.open(file, options={"format_whitelist": FORMATS}) as container:
            yield container
    except (av.error.FFmpegError, OSError, UnicodeError) as error:
        words = printable(getattr(error, "strerror", None) or str(error))
        raise ImageError(f"{path} is no film that can be read, or it is damaged ({words}): get it again.") from error


def _pictures(path: Path, container: Any) -> Any:
    """The stream of pictures. Raises ImageError where there is none, or one of a size that cannot be used."""
    if not container.streams.video:
        raise ImageError(f"{path} has no pictures, only sound: give a film.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise ImageError(f"{path} has pictures of a codec that PyAV does not know: convert it to an MP4 first.")
    if min(stream.width, stream.height) < MIN_SIDE or stream.width * stream.height > MAX_PIXELS:
        raise ImageError(
            f"{path} is {stream.width} x {stream.height} pixels: frames need {MIN_SIDE} a side, and at most "
            f"{MAX_PIXELS // 1_000_000} million."
        )
    return stream


def _decoded(path: Path, container: Any) -> Iterator[Any]:
    """PyAV's frames. Raises ImageError that says which frame is damaged."""
    av, i = require_av(), -1
    frames = container.decode(video=0)
    while True:
        try:
            frame = next(frames)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            raise ImageError(f"{path} is damaged at frame {i + 1} ({printable(str(error.strerror))}).") from error
        i += 1
        if frame.is_corrupt:
            raise ImageError(f"{path} is damaged at frame {i}: get it again, or cut off what follows.")
        yield frame


def _upright(frame: Any) -> Pixels:
    """The pixels of PyAV's frame, turned as its player would."""
    assumed = "ITU709" if frame.colorspace == UNKNOWN and frame.height >= HD_HEIGHT else None
    pixels = frame.to_ndarray(format="rgb24") if assumed is None else _converted(frame, assumed)
    return np.ascontiguousarray(np.rot90(pixels, (frame.rotation // 90) % 4)) if frame.rotation % 360 else pixels


def _converted(frame: Any, colorspace: str) -> Pixels:
    found: Pixels = frame.reformat(format="rgb24", src_colorspace=colorspace).to_ndarray()
    return found
