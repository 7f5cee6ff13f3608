"""The models that can be loaded by name: those that come with the package, and those that are fetched and converted."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from zplus.archives import Archive, fetch
from zplus.cache import cached
from zplus.errors import CheckpointError, UnknownNameError, ZplusError
from zplus.files import make_folder
from zplus.generators.checkpoints.openvino import read_mobile_stylegan
from zplus.generators.checkpoints.read import read_checkpoint
from zplus.generators.contract import Generator
from zplus.generators.memory import keep_freed_memory
from zplus.generators.mobile_stylegan import MobileStyleGAN, MobileStyleGANConfig
from zplus.generators.store import save_generator

LONGEST_NAME = 250  # of a file, in most systems
SHIPPED = Path(__file__).parent / "models"  # of this package, trained by ourselves; a card lies beside each


@dataclass(frozen=True)
class Source:
    """Where a generator is fetched from, and how its files are converted."""

    archive: Archive
    convert: Callable[[Path], Generator]


@dataclass(frozen=True)
class Model:
    """A generator of the zoo.

    Attributes:
        about: What it draws.
        licence: Under which terms.
        source: Where it is fetched from; None where it comes with the package.
    """

    about: str
    licence: str
    source: Source | None = None


def _ffhq_mobile(folder: Path) -> Generator:
    mapping, synthesis = (
        ((folder / f"{network}.xml").read_bytes(), (folder / f"{network}.bin").read_bytes())
        for network in ("MappingNetwork", "SynthesisNetwork")
    )
    generator = MobileStyleGAN(MobileStyleGANConfig(), "ffhq-mobile")
    generator.load_state_dict(read_mobile_stylegan(mapping, synthesis))
    return generator


MODELS = {
    "ffhq-mobile": Model(
        "faces, 1024 px, MobileStyleGAN distilled from StyleGAN2-FFHQ",
        "non-commercial use: the files are Apache-2.0, but the teacher's weights are NVIDIA non-commercial and the "
        "FFHQ photos CC BY-NC-SA",
        Source(
            Archive(
                package="random-face",
                version="2021.7.21.1",
                sha256="e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
                filename="random_face-2021.7.21.1-py3-none-any.whl",
                megabytes=38,
                licence="Apache-2.0",
                files=tuple(
                    f"random_face/data/{n}Network.{s}" for n in ("Mapping", "Synthesis") for s in ("xml", "bin")
                ),
            ),
            _ffhq_mobile,
        ),
    ),
    "avatars64": Model(
        "cartoon faces, 64 px, StyleGAN2 trained by zplus", "free for any use, commercial use too, as the art it learnt"
    ),
}


def model_path(name: str) -> Path:
    """The file of a model of the zoo, which may still have to be pulled."""
    if name not in MODELS:
        raise UnknownNameError("model", name, MODELS)
    file = f"{name}.safetensors"
    return cached("models", file) if MODELS[name].source else SHIPPED / file


def pull(name: str, report: Callable[[str], None] = lambda line: None) -> Path:
    """Fetch, check and convert a model, unless it is on this machine.

    Args:
        name: A name of `MODELS`.
        report: Is given lines for the user.

    Returns:
        The path of the model. It is complete or not there.

    Raises:
        UnknownNameError: There is no such model.
        DownloadError: It cannot be fetched, or its hash is wrong.
    """
    path = model_path(name)
    source = MODELS[name].source
    if source and not path.exists():
        report(f"{name}: {MODELS[name].licence}")
        generator = source.convert(fetch(source.archive, report))
        generator.check_finite()
        make_folder(path.parent)
        save_generator(generator, path)
    return path


def chosen_device(name: str) -> torch.device:
    """A device by name. Raises ZplusError where this machine or this torch does not have it."""
    kinds = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    kind = name.partition(":")[0]
    if kind not in kinds:
        raise UnknownNameError("device", name, kinds)
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UnknownNameError("device", name, kinds) from error
    if not kinds[kind] or (kind == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise ZplusError(f"The device {name} is not on this machine: choose cpu.")
    return device


def load_generator(
    name: str | Path, device: str | torch.device = "cpu", label: int | Sequence[float] | None = None
) -> Generator:
    """Load a generator by name or from a checkpoint. Uses no network; nothing in a file is executed.

    Args:
        name: A name of `MODELS`, or a file of any known format (docs/models.md).
        device: "cpu", "cuda", "mps" or a torch device.
        label: What a conditional generator is bound to: an index or a vector [c_dim].

    Returns:
        The generator. Notes on a foreign file are given as warnings.

    Raises:
        CheckpointError: The file is missing, damaged or of an unknown format, or the model has not been pulled.
        UnknownNameError: There is no such model.
        ZplusError: There is no such device or label.
    """
    keep_freed_memory()
    device = chosen_device(device) if isinstance(device, str) else device
    path = Path(name)
    if str(name) in MODELS or not (path.suffix or (len(path.name) < LONGEST_NAME and path.is_file())):
        path = model_path(str(name))
        if not path.exists():
            raise CheckpointError(f"The model {name} is not on this machine: run 'zplus pull {name}' first.")
    generator, notes = read_checkpoint(path)
    for note in notes:
        warnings.warn(f"{path.name}: {note}", stacklevel=2)
    generator = generator.to(device)
    if label is not None:
        generator = generator.with_label(label)
    return generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # faster convolutions
