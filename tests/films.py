"""Tiny films for tests, and what is in one."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.images import write_image
from zplus.perception.pose import FACE

EYES = 63.0  # millimetres between the eyes of FACE


class Content(NamedTuple):
    pixels: np.ndarray
    times: list[Fraction]
    sound: list[bytes]


def moving_frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Smooth colours that move from left to right."""
    x, y = np.meshgrid(np.linspace(0, 3, width), np.linspace(0, 2, height))
    waves = [np.stack([np.sin(x + 0.05 * t), np.cos(y), np.sin(x + y - 0.05 * t)], -1) for t in range(count)]
    return [(127.5 + 100 * wave).astype(np.uint8) for wave in waves]


def film(path: Path, frames: list[np.ndarray], sound: str = "", turned: int = 0) -> Path:
    """A film of the frames, of which the third lasts twice as long; with a second of noise as sound, by its codec."""
    import av  # noqa: PLC0415  (an extra)

    rate = Fraction(25, 2)
    with av.open(path, "w") as container:
        stream = container.add_stream("h264", rate, {"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.time_base = 1 / (2 * rate)
        if turned:
            stream.set_display_rotation(turned)
        voice = container.add_stream(sound, 8000, layout="mono") if sound else None
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = 2 * (i + (i > 2)), 1 / (2 * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None:
            noise = (1000 * np.random.RandomState(0).standard_normal((1, 8000))).astype(np.int16)
            audio = av.AudioFrame.from_ndarray(noise, "s16", "mono")
            audio.sample_rate, audio.pts = 8000, 0
            container.mux(voice.encode(audio))
            container.mux(voice.encode(None))
    return path


def frames_of(path: Path) -> Content:
    """All frames of a film, their times in seconds, and the packets of its sound."""
    import av  # noqa: PLC0415  (an extra)

    with av.open(path) as container:
        frames = list(container.decode(video=0))
    with av.open(path) as container:
        sound = [bytes(packet) for packet in container.demux(audio=0) if packet.size] if container.streams.audio else []
    pixels = np.stack([frame.to_ndarray(format="rgb24") for frame in frames])
    return Content(pixels, [frame.pts * frame.time_base for frame in frames], sound)


def folder_of(folder: Path, frames: list[np.ndarray], names: str = "{:04d}.png") -> Path:
    """A folder of pictures; the first pixel tells the number of the frame."""
    folder.mkdir()
    for i, pixels in enumerate(frames):
        numbered = pixels.copy()
        numbered[0, 0] = i
        write_image(folder / names.format(i), numbered)
    return folder


def landmarks_at(x: float, y: float, eyes: float) -> np.ndarray:
    """The 68 landmarks of the mean face: its middle, and the distance between its eyes in pixels."""
    jaw = np.linspace(np.pi, 0, 17)
    contour = np.stack([65 * np.cos(jaw), 20 + 90 * np.sin(jaw)], 1)
    return np.concatenate([contour, FACE[:, :2]]) * (eyes / EYES) + (x, y - eyes / 2)


def face_at(x: float, y: float, eyes: float) -> DetectedFace:
    """A face of that middle and size."""
    box = (float(x - eyes), float(y - eyes), float(x + eyes), float(y + eyes))
    return DetectedFace(box, landmarks_at(x, y, eyes))


class ScriptedDetector(FaceDetector):
    """Finds what a script says of the frame whose number is in the first pixel: (x, y, distance of the eyes)."""

    def __init__(self, script: Callable[[int], Sequence[tuple[float, float, float]]]):
        super().__init__()
        self.script = script

    def find(self, pixels: np.ndarray) -> list[DetectedFace]:
        return [face_at(*one) for one in self.script(int(pixels[0, 0, 0]))]
