"""An edited film beside the same frames edited one by one, on a generated face that turns and smiles.

    python benchmarks/video.py WORK [--model avatars64] [--frames 24] [--only film true alone ours time measure]

The film is rendered from a known path of latents, with a camera that sways and sensor noise, so the true edited film is
known: the same path with the edit added. "alone" finds, inverts and edits each frame by itself, "ours" is
`zplus.edit_video`. All are compared as MP4 of one quality. What is done is kept in WORK, so that a killed run goes on;
--only does some of the parts. "time" is to be run while nothing else works.

Figures: LPIPS (AlexNet, 256 px) between neighbouring frames; flicker, the RMS in steps of 255 of how the error to the
true film changes from frame to frame; RMSE to the true film; the second difference of landmarks and of the crop's
corners, in pixels; identity distance to the first frame of the source.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kept import check_settings
from machine import save_result
from zplus.command.show import Show
from zplus.editing import Editor
from zplus.faces.align import Aligned, quad_of
from zplus.faces.detector import DetectedFace, FaceDetector
from zplus.faces.track import smoothed
from zplus.faces.warp import Affine, invert, warp
from zplus.generators import Generator, load_generator
from zplus.images import read_image, to_tensor, write_edited_film, write_image
from zplus.inversion import PRESETS
from zplus.latent import Latent, Point
from zplus.perception.identity import Identity, distance
from zplus.perception.lpips import LPIPS, at
from zplus.perception.pose import FACE
from zplus.spaces import latent_of, make_space, render
from zplus.video import film_frames
from zplus.workflow import InvertOptions
from zplus.workflow.editing import finished
from zplus.workflow.film import edit_video
from zplus.workflow.footage import open_footage
from zplus.workflow.inverting import Inverter, load_inverter
from zplus.workflow.json_files import read_json, write_json
from zplus.workflow.options import VideoOptions
from zplus.workflow.photo import Pixels, cut
from zplus.workflow.sheet import Cell, contact_sheet

RATE = 24.0
PARTS = ["film", "true", "alone", "ours", "time", "measure"]


@dataclass(frozen=True)
class Scene:
    """What is filmed. Without `moves` a face becomes a little like another, and the detector is told where it is."""

    edit: dict[str, float]
    seed: int
    row: int  # of the samples of the seed
    psi: float
    moves: dict[str, tuple[float, float]]  # strengths of directions at the first and the last frame
    height: int
    width: int
    side: int  # of the face's square in the film
    noise: float  # deviation of the sensor, in steps of 255


Frames = Sequence[Pixels]
SCENES = {
    "ffhq-mobile": Scene({"smile": 1.5}, 7, 2, 0.7, {"yaw": (-0.8, 0.8), "smile": (-2.5, -0.5)}, 480, 640, 460, 2.0),
    "avatars64": Scene({"long_hair": 1.5}, 3, 5, 1.0, {}, 120, 160, 80, 2.0),
}


@dataclass(frozen=True)
class Work:
    """What is compared, and where it is kept."""

    folder: Path
    scene: Scene
    frames: int
    inverting: InvertOptions
    frame_steps: int

    def film(self, source: Path, out: Path, show: Show) -> dict[str, Any]:
        """Edit a folder of frames by `edit_video`."""
        options = VideoOptions(rate=RATE, frame_steps=self.frame_steps)
        return edit_video(source, out, self.scene.edit, options, self.inverting, show.callbacks, detector_of(self))


TREMBLE = 1.5  # deviation in pixels of told landmarks, at 460 px a side: about that of dlib's


def path(scene: Scene, generator: Generator, frames: int) -> list[Latent]:
    """Latents of w+ of a face that moves."""
    space, codes = make_space("w+", generator), make_space("z", generator)
    ends = codes.to_w(codes.sample(scene.row + 2, scene.seed)[scene.row :])
    ends = torch.lerp(space.statistics.w_mean, ends, scene.psi).expand(-1, *space.shape)
    found = []
    for t in (1 - np.cos(np.pi * np.linspace(0, 1, frames))) / 2:
        w = ends[:1] if scene.moves else torch.lerp(ends[:1], ends[1:], 0.3 * float(t))
        latent = latent_of(space, Point(w.contiguous()))
        strengths = {name: float(a + (b - a) * t) for name, (a, b) in scene.moves.items()}
        found.append(latent_of(space, Editor(generator, latent).edit(strengths).point))
    return found


def camera(scene: Scene, t: float) -> Affine:
    """From pixels of the generator's square (side 1) to pixels of the film: it sways, turns and comes nearer."""
    angle, side = 0.06 * np.sin(2 * np.pi * t), scene.side * (1 + 0.05 * np.sin(np.pi * t))
    across = side * np.array([np.cos(angle), np.sin(angle)])
    down = np.array([-across[1], across[0]])
    centre = np.array([scene.width / 2, scene.height / 2])
    centre += scene.side * np.array([0.065 * np.sin(2 * np.pi * t), 0.022 * np.cos(3 * np.pi * t)])
    return np.stack([across, down, centre - (across + down) / 2], axis=1)


def shot(scene: Scene, image: Float[Tensor, "3 r r"], t: float, noise: np.random.RandomState) -> Pixels:
    """A frame of the film: the square in its place, its mirror image around it, and noise."""
    matrix = camera(scene, t) @ np.diag([1 / image.shape[-1], 1 / image.shape[-1], 1])
    seen = warp(image.cpu(), invert(matrix), (scene.height, scene.width), "reflection").permute(1, 2, 0).numpy()
    noisy = 127.5 * (seen + 1) + scene.noise * noise.standard_normal(seen.shape)
    return noisy.round().clip(0, 255).astype(np.uint8)


def make_film(scene: Scene, generator: Generator, folder: Path, frames: int, strengths: dict[str, float]) -> None:
    """The frames of the film: as it is, or as the true edit makes it, with the same noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, latent in enumerate(path(scene, generator, frames)):
        out = folder / f"{i:04d}.png"
        if not out.exists():
            image = render(generator, Editor(generator, latent).edit(strengths))[0]
            write_image(out, shot(scene, image, i / (frames - 1), np.random.RandomState(i)))


class Told(FaceDetector):
    """A detector that is told the square of each frame, and trembles as dlib does. Frames come in their order."""

    def __init__(self, scene: Scene, frames: int):
        super().__init__()
        self.scene, self.frames, self.i, self.noise = scene, frames, 0, np.random.RandomState(0)

    def find(self, pixels: Pixels) -> list[DetectedFace]:
        t, self.i = (self.i % self.frames) / (self.frames - 1), self.i + 1
        quad = quad_of(MEAN_FACE)
        own = np.linalg.inv(np.vstack([np.stack([quad[3] - quad[0], quad[1] - quad[0], quad[0]], 1), [0, 0, 1]]))[:2]
        points = (MEAN_FACE @ own[:, :2].T + own[:, 2]) @ camera(self.scene, t)[:, :2].T + camera(self.scene, t)[:, 2]
        points += TREMBLE * self.scene.side / 460 * self.noise.standard_normal(points.shape)
        (left, top), (right, bottom) = points.min(0), points.max(0)
        return [DetectedFace((float(left), float(top), float(right), float(bottom)), points)]


MEAN_FACE = np.concatenate(
    [np.stack([65 * np.cos(a := np.linspace(np.pi, 0, 17)), 20 + 90 * np.sin(a)], 1), FACE[:, :2]]
)


def detector_of(work: Work) -> FaceDetector:
    """dlib's, or one that is told, where it finds no face."""
    return FaceDetector() if work.scene.moves else Told(work.scene, work.frames)


def edit_alone(work: Work) -> None:
    """Every frame by itself: found, inverted by the default method, edited and pasted."""
    (work.folder / "alone").mkdir(exist_ok=True)
    inverter, detector = load_inverter(work.inverting, photos=100), detector_of(work)
    for frame in sorted((work.folder / "film").glob("*.png")):
        out = work.folder / "alone" / frame.name
        aligned = cut(read_image(frame), detector.find(read_image(frame)), 0, inverter.generator.resolution)
        if not out.exists():
            write_image(out, alone(work, inverter, aligned))
            print(frame.name, flush=True)


def alone(work: Work, inverter: Inverter, aligned: Aligned) -> Pixels:
    """A frame edited as a photo."""
    edited = Editor(inverter.generator, inverter.invert(aligned)).edit(work.scene.edit)
    return finished(inverter.generator, edited, render(inverter.generator, edited)[0].cpu(), aligned)


def edit_film(work: Work) -> None:
    """The film by `edit_video`."""
    out = work.folder / "ours.mp4"
    if not out.exists():
        write_json(work.folder / "ours.json", work.film(work.folder / "film", out, Show()))


def measure_time(work: Work) -> dict[str, float]:
    """Seconds a frame once networks are loaded and compiled.

    `ours` is of all stages of a film of 6 frames, whose key frame is spread over as many as the film has; `alone` is
    the median of three frames.
    """
    inverter, few, detector = load_inverter(work.inverting, photos=100), work.folder / "few", detector_of(work)
    few.mkdir(exist_ok=True)
    for frame in sorted((work.folder / "film").glob("*.png"))[:6]:
        (few / frame.name).write_bytes(frame.read_bytes())
    times = [time.perf_counter()]
    for frame in sorted(few.glob("*.png"))[:3]:
        pixels = read_image(frame)
        alone(work, inverter, cut(pixels, detector.find(pixels), 0, inverter.generator.resolution))
        times.append(time.perf_counter())
    show = Show()
    work.film(few, work.folder / "few.mp4", show)
    frames = {title: work.frames if title.startswith("Inverting frame") else 6 for title in show.seconds}
    seconds = {title: taken / frames[title] for title, taken in show.seconds.items()}
    seconds |= {"alone": median(b - a for a, b in pairwise(times)), "ours": sum(seconds.values())}
    return {name: round(x, 3) for name, x in seconds.items()}


def frames_of(work: Work, name: str) -> list[Pixels]:
    """The frames of a film, all of them by way of MP4."""
    path = work.folder / f"{name}.mp4"
    if not path.exists():
        footage = open_footage(work.folder / name, RATE)
        write_edited_film(path, footage.frames(), footage.timing, "", VideoOptions.quality, None)
    return [frame.pixels for frame in film_frames(path)]


def measure(scene: Scene, frames: Frames, true: Frames, source: Frames) -> dict[str, float]:
    """The figures of one film."""
    lpips, detector, identity = LPIPS("alex"), FaceDetector(), Identity()
    left = (scene.width - scene.height) // 2
    images = [at(to_tensor(x[:, left : left + scene.height]), 256) for x in frames]
    apart = [float(lpips(a, b)) for a, b in pairwise(images)]
    errors = [a.astype(np.float32) - b for a, b in zip(frames, true, strict=True)]
    within = [inside(scene, i / (len(frames) - 1)) for i in range(len(frames))]
    flicker = [np.square((b - a)[where]).mean() for (a, b), where in zip(pairwise(errors), within, strict=False)]
    found = {
        "lpips_between_frames": float(np.mean(apart)),
        "lpips_between_frames_worst": max(apart),
        "flicker": float(np.sqrt(np.mean(flicker))),
        "rmse": float(np.sqrt(np.mean([np.square(x[where]).mean() for x, where in zip(errors, within, strict=True)]))),
    }
    if not scene.moves:
        return found
    faces = [detector.largest(x) for x in frames]
    landmarks = np.stack([np.full((68, 2), np.nan) if face is None else face.landmarks for face in faces])
    first = identity.embed(source[0])
    likeness = [distance(first, identity.embed(x)) for x in frames]
    return found | {
        "landmark_jitter": second_difference(landmarks),
        "identity_distance": float(np.nanmean(likeness)),
        "identity_distance_change": float(np.nanmean(np.abs(np.diff(likeness)))),
    }


def inside(scene: Scene, t: float) -> np.ndarray:
    """Where a frame shows the generator's square, bool [H, W]."""
    back = invert(camera(scene, t))
    centres = np.meshgrid(np.arange(scene.width) + 0.5, np.arange(scene.height) + 0.5)
    points = np.stack(centres, -1) @ back[:, :2].T + back[:, 2]
    found: np.ndarray = ((points > 0) & (points < 1)).all(-1)
    return found


def second_difference(track: np.ndarray) -> float:
    """The mean length of the second difference of points [T, K, 2]."""
    return float(np.nanmean(np.linalg.norm(np.diff(track, 2, axis=0), axis=-1)))


def crop_jitter(work: Work, source: Frames) -> dict[str, float]:
    """The second difference of the crop's corners: as found in each frame, and smoothed."""
    detector = detector_of(work)
    found = np.stack([detector.find(x)[0].landmarks for x in source])
    tracks = {"found": found, "smoothed": smoothed(found, RATE)}
    return {name: second_difference(np.stack([quad_of(x) for x in track])) for name, track in tracks.items()}


def sheet(scene: Scene, films: dict[str, list[Pixels]], out: Path, cells: int = 12) -> None:
    """Frames evenly apart, one row a film."""
    chosen, left = np.linspace(0, len(films["film"]) - 1, cells).round().astype(int), (scene.width - scene.height) // 2
    larger = max(1, 240 // scene.height)
    shown = {
        name: [x[:, left : left + scene.height].repeat(larger, 0).repeat(larger, 1) for x in frames]
        for name, frames in films.items()
    }
    rows = [[Cell(x[i], f"{name} {i}") for i in chosen] for name, x in shown.items()]
    write_image(out, contact_sheet(rows, 240), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", default="ffhq-mobile", choices=SCENES)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--steps", type=int, help="of the inversion of single frames and of the key frame")
    parser.add_argument("--frame-steps", type=int, default=VideoOptions.frame_steps)
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--sheet", type=Path)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    inverting = InvertOptions(model=given.model, steps=given.steps)
    check_settings(given.work, model=given.model, frames=given.frames, steps=given.steps, frame_steps=given.frame_steps)
    work = Work(given.work, SCENES[given.model], given.frames, inverting, given.frame_steps)
    generator = load_generator(given.model)
    for name, settings in PRESETS.items():  # LPIPS of small pictures at their own size, which is 16 times as fast
        PRESETS[name] = replace(settings, lpips_size=min(settings.lpips_size, generator.resolution))
    for name, strengths in {"film": {}, "true": work.scene.edit}.items():
        if name in given.only:
            make_film(work.scene, generator, work.folder / name, given.frames, strengths)
    if "alone" in given.only:
        edit_alone(work)
    if "ours" in given.only:
        edit_film(work)
    if "time" in given.only:
        write_json(work.folder / "time.json", measure_time(work))
    if "measure" not in given.only:
        return
    films = {name: frames_of(work, name) for name in ("film", "true", "alone", "ours")}
    figures = {name: measure(work.scene, x, films["true"], films["film"]) for name, x in films.items()}
    for name, found in figures.items():
        print(name, {key: round(x, 4) for key, x in found.items()})
    if given.sheet:
        sheet(work.scene, films, given.sheet)
    result = {"model": given.model, "frames": given.frames, "rate": RATE, "scene": asdict(work.scene), "films": figures}
    result |= {
        "crop_jitter": crop_jitter(work, films["film"]),
        "seconds_per_frame": read_json(given.work / "time.json"),
    }
    run = read_json(given.work / "ours.json") or {}
    save_result(f"video-{given.model}", result | {"run": run | {"video": "ours.mp4"}})


if __name__ == "__main__":
    main()
