"""Animations as MP4 (H.264), which every player and messenger shows, through PyAV: the extra `video`."""

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import numpy as np
from jaxtyping import UInt8

from zplus.errors import MissingExtraError

XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes  # of ISO media (XMP specification, part 3, section 1.2.7)
BT709 = 1  # the code of sRGB's primaries, and of the matrix that players of large pictures expect (ITU-T H.273)
SHARP = {"crf": "16"}  # x264's quality at which hardly anybody sees a difference
GROUP = 12  # frames from one that stands alone to the next, so that players can jump


def is_video(path: str | Path) -> bool:
    """Whether a name asks for an MP4. Raises MissingExtraError where none can be written: before work begins."""
    if Path(path).suffix.lower() != ".mp4":
        return False
    try:
        import av  # noqa: F401, PLC0415  (an extra)
    except ModuleNotFoundError as error:
        raise MissingExtraError("av", "video") from error
    return True


def write_mp4(
    path: Path, frames: Sequence[UInt8[np.ndarray, "h w 3"]], rate: float, comment: str, packet: bytes
) -> None:
    """Write frames of one size, `rate` a second, with a comment and an XMP packet; an odd row or column is cut off."""
    import av  # noqa: PLC0415  (an extra)

    height, width = (2 * (side // 2) for side in frames[0].shape[:2])  # colours are kept for pairs of pixels
    with av.open(path, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        container.metadata["comment"] = comment
        stream = container.add_stream("h264", Fraction(rate).limit_denominator(1000), SHARP)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", GROUP
        coder = stream.codec_context
        coder.colorspace = coder.color_primaries = coder.color_trc = BT709
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), "rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode(None))
    with path.open("ab") as file:
        file.write(struct.pack(">I4s16s", 24 + len(packet), b"uuid", XMP_BOX) + packet)
