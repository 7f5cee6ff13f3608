"""The nodes. ComfyUI's IMAGE is a float tensor [B, H, W, C] in [0, 1]; zplus works on pixels and on [-1, 1]."""

import itertools
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch

import zplus
from zplus.direction import UNMEASURED
from zplus.editing.builtin import builtin_directions
from zplus.faces.align import Aligned, whole
from zplus.faces.detector import FaceDetector
from zplus.workflow.editing import finished

GENERATOR, LATENT, FACES = "ZPLUS_GENERATOR", "ZPLUS_LATENT", "ZPLUS_FACES"
SUFFIX = ".latent.safetensors"


def differentiable(method: Callable[..., Any]) -> Callable[..., Any]:
    """Run a method outside ComfyUI's inference mode, whose tensors no gradient can pass."""

    @wraps(method)
    def run(*arguments: Any, **options: Any) -> Any:
        with torch.inference_mode(False):
            return method(*arguments, **options)

    return run


def pixels_of(image: torch.Tensor) -> list[np.ndarray]:
    """The images of an IMAGE as pixels uint8 [H, W, 3]; alpha is dropped."""
    return list((image[..., :3].detach().cpu().numpy() * 255).round().clip(0, 255).astype(np.uint8))


def image_of(pixels: list[np.ndarray]) -> torch.Tensor:
    """Pixels of one size as an IMAGE."""
    return torch.from_numpy(np.stack(pixels).astype(np.float32) / 255)


def rendered(generator: zplus.Generator, latent: zplus.Latent) -> torch.Tensor:
    """The images of a latent as an IMAGE."""
    return image_of([zplus.to_pixels(x) for x in zplus.render(generator, latent)])


class LoadGenerator:
    """Load a generator by name, or whatever `path` says: a file, a folder, or owner/name on a hub."""

    CATEGORY, FUNCTION = "zplus", "load"
    RETURN_TYPES, RETURN_NAMES = (GENERATOR,), ("generator",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A model, a device, and a path that goes before the model."""
        models, devices = zplus.list_models(), ["cpu", "cuda", "mps"]
        return {
            "required": {"model": (models, {"default": models[0]}), "device": (devices, {"default": "cpu"})},
            "optional": {
                "path": ("STRING", {"default": "", "tooltip": "Instead of a model: file, folder, owner/name"}),
                "label": (
                    "INT",
                    {"default": -1, "min": -1, "max": 100_000, "tooltip": "Of a conditional model"},
                ),
            },
        }

    @differentiable
    def load(self, model: str, device: str, path: str = "", label: int = -1) -> tuple[zplus.Generator]:
        """The generator. What is missing is fetched."""
        label_of = {} if label < 0 else {"label": label}
        return (zplus.Generator.from_pretrained(path.strip() or model, device, **label_of),)


class InvertImage:
    """Find the latent of the largest face of each image."""

    CATEGORY, FUNCTION = "zplus", "invert"
    RETURN_TYPES, RETURN_NAMES = (LATENT, FACES, "IMAGE"), ("latent", "faces", "reconstruction")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """The generator, images, and how they are inverted."""
        return {
            "required": {
                "generator": (GENERATOR,),
                "image": ("IMAGE",),
                "align": ("BOOLEAN", {"default": True, "tooltip": "Find the face; off takes the square in the middle"}),
                "space": (list(zplus.SPACES), {"default": "f/z+"}),
                "method": (list(zplus.PRESETS), {"default": "default"}),
                "steps": ("INT", {"default": 0, "min": 0, "max": 5000, "tooltip": "0: as many as the method has"}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**31 - 1}),
            }
        }

    @differentiable
    def invert(
        self, generator: zplus.Generator, image: torch.Tensor, align: bool, steps: int, **options: Any
    ) -> tuple[zplus.Latent, list[Aligned], torch.Tensor]:
        """The latent of B rows, where the faces were in their images, and the reconstruction."""
        photos, size = pixels_of(image), generator.resolution
        detector = FaceDetector() if align else None
        faces = [zplus.align(x, detector, size) if align else whole(x, size) for x in photos]
        crops = torch.cat([face.image for face in faces])
        latent = zplus.invert(generator, crops, callback=progress_bar(), steps=steps or None, **options)
        return latent, faces, rendered(generator, latent)


def progress_bar() -> Callable[[Any], None] | None:
    """Shows the steps of an inversion; its update raises where the user interrupts. None outside ComfyUI."""
    try:
        from comfy.utils import ProgressBar  # noqa: PLC0415
    except ImportError:
        return None
    bar = ProgressBar(1)
    return lambda progress: bar.update_absolute(progress.step, progress.steps)


class EditLatent:
    """Move a latent along the directions that come with its generator, and along one from a file."""

    CATEGORY, FUNCTION = "zplus", "edit"
    RETURN_TYPES, RETURN_NAMES = (LATENT, "IMAGE"), ("latent", "image")

    @classmethod
    @differentiable
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A slider for every direction that comes with zplus, in standard deviations of the attribute."""
        required: dict[str, Any] = {"generator": (GENERATOR,), "latent": (LATENT,)}
        for direction in builtin_directions():
            low, high = direction.range or UNMEASURED
            told = {"tooltip": f"Of {direction.card.get('model', 'one generator')}"}
            required[direction.name] = slider(low, high, **told)
        own = {"direction_file": ("STRING", {"default": ""}), "direction_strength": slider(-10.0, 10.0)}
        return {"required": required, "optional": own}

    @differentiable
    def edit(
        self,
        generator: zplus.Generator,
        latent: zplus.Latent,
        direction_file: str = "",
        direction_strength: float = 0.0,
        **strengths: float,
    ) -> tuple[zplus.Latent, torch.Tensor]:
        """The edited latent, and its image. Sliders at 0 do nothing, whatever the generator."""
        if own := direction_file.strip():
            if not Path(own).is_file():
                raise zplus.ZplusError(f"{own[:200]!r} is no file of a direction: give its path.")
            strengths[own] = direction_strength
        moved = {name: strength for name, strength in strengths.items() if strength}
        edited = zplus.edit(generator, latent, moved)
        return edited, rendered(generator, edited)


def slider(low: float, high: float, **told: str) -> tuple[str, dict[str, Any]]:
    """A float that ComfyUI shows as a slider."""
    return "FLOAT", {"default": 0.0, "min": low, "max": high, "step": 0.05, "display": "slider", **told}


class PasteBack:
    """Paste the edited faces into their photos, whose own pixels are kept where nothing changed."""

    CATEGORY, FUNCTION = "zplus", "paste"
    RETURN_TYPES, RETURN_NAMES = ("IMAGE",), ("image",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """What `Invert Image` and `Edit Latent` give."""
        modes = (["keep", "replace"], {"default": "keep"})
        return {"required": {"generator": (GENERATOR,), "latent": (LATENT,), "faces": (FACES,), "mode": modes}}

    @differentiable
    def paste(
        self, generator: zplus.Generator, latent: zplus.Latent, faces: list[Aligned], mode: str
    ) -> tuple[torch.Tensor]:
        """The photos with the edits. Without an edit, mode "keep" gives every pixel as it was."""
        if len(latent) != len(faces):
            raise zplus.ZplusError(
                f"{len(latent)} latents do not fit {len(faces)} faces: connect those of one inversion."
            )
        rows = [latent[i] for i in range(len(faces))]
        images = [zplus.render(generator, row)[0].cpu() for row in rows]
        parts = zip(rows, images, faces, strict=True)
        return (image_of([finished(generator, row, image, face, mode) for row, image, face in parts]),)


def latents_folder() -> Path:
    """Where latents are kept: the folder "zplus" in ComfyUI's folder of outputs."""
    import folder_paths  # noqa: PLC0415  # a module of ComfyUI

    return Path(folder_paths.get_output_directory()) / "zplus"


class SaveLatent:
    """Save a latent. It is biometric data where it shows a person."""

    CATEGORY, FUNCTION, OUTPUT_NODE = "zplus", "save", True
    RETURN_TYPES, RETURN_NAMES = ("STRING",), ("name",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """A latent, and how its file is called; a number is added, so that no file is written over."""
        return {"required": {"latent": (LATENT,), "name": ("STRING", {"default": "face"})}}

    @differentiable
    def save(self, latent: zplus.Latent, name: str) -> tuple[str]:
        """The name of the file."""
        if not re.fullmatch(r"\w[\w -]{0,99}", name):  # a workflow may come from anyone: it writes nowhere else
            raise zplus.ZplusError(
                f"{name[:60]!r} is no name for a latent: use letters, digits, spaces, _ and - alone."
            )
        folder = latents_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths = (folder / f"{name}_{i:05}{SUFFIX}" for i in itertools.count(1))
        path = next(x for x in paths if not x.exists())
        zplus.save_latent(latent, path)
        return (path.name,)


class LoadLatent:
    """Load a latent that was saved here or by `zplus invert` and put into the folder."""

    CATEGORY, FUNCTION = "zplus", "load"
    RETURN_TYPES, RETURN_NAMES = (LATENT,), ("latent",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """One of the files in the folder."""
        return {"required": {"name": (sorted(path.name for path in latents_folder().glob(f"*{SUFFIX}")),)}}

    @differentiable
    def load(self, name: str) -> tuple[zplus.Latent]:
        """The latent."""
        if Path(name).name != name:
            raise zplus.ZplusError(f"{name[:60]!r} is not in the folder of latents: choose one of its files.")
        return (zplus.load_latent(latents_folder() / name),)
