"""Generators as a folder, here or on a hub: config.json for people and programs, model.safetensors with the weights."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch

from zplus.errors import CheckpointError, DownloadError, MissingExtraError, reason
from zplus.files import atomic, make_folder, regular
from zplus.generators.contract import Generator, fingerprint
from zplus.generators.store import save_generator
from zplus.generators.zoo import MODELS, load_generator, pull
from zplus.tensor_files import DAMAGE

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MAX_CONFIG = 100_000  # bytes; ours has 700
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)  # owner/name
FILES = (".safetensors", ".pkl", ".pt", ".pth")  # what a name ends in that is a file, here or missing, and no hub's


def list_models(pattern: str = "*") -> list[str]:
    """The names of models that can be loaded.

    Args:
        pattern: Such as "ffhq*" or "*face*", compared in lower case with the name and with what the model draws.

    Returns:
        Names of `MODELS`, in order; they may still have to be pulled.

    Examples:
        >>> list_models("*64")
        ['avatars64']
    """
    found = pattern.lower()
    return [x for x, model in MODELS.items() if fnmatchcase(x, found) or fnmatchcase(model.about.lower(), found)]


def save_pretrained(generator: Generator, folder: str | Path) -> None:
    """See `Generator.save_pretrained`."""
    folder = Path(folder)
    try:
        make_folder(folder)
    except OSError as error:
        raise CheckpointError(f"The folder {folder} cannot be made ({error.strerror}): choose another one.") from None
    save_generator(generator, folder / WEIGHTS)
    with atomic(folder / CONFIG, CheckpointError) as temporary:
        told = {"library_name": "zplus", "name": generator.name, **_facts(generator)}
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def from_pretrained(
    name: str | Path,
    device: str | torch.device = "cpu",
    label: int | Sequence[float] | None = None,
    revision: str | None = None,
) -> Generator:
    """See `Generator.from_pretrained`."""
    path = Path(name)
    if str(name) in MODELS:
        pull(str(name), lambda line: print(line, file=sys.stderr))
    elif path.is_dir():
        return _read_folder(path, device, label)
    elif isinstance(name, str) and HUB_ID.fullmatch(name) and path.suffix not in FILES and not path.exists():
        return _read_folder(_fetched(name, revision), device, label)
    return load_generator(name, device, label)


def _facts(generator: Generator) -> dict[str, Any]:
    """What config.json tells of the weights, as JSON holds it. A label is no part of them."""
    sizes = json.loads(json.dumps(asdict(generator.config)))
    found = fingerprint(generator.state_dict())
    return {"architecture": generator.architecture, "config": sizes, "fingerprint": found}


def _read_folder(folder: Path, device: str | torch.device, label: int | Sequence[float] | None) -> Generator:
    told = _told(folder / CONFIG)
    generator = load_generator(folder / WEIGHTS, device, label)
    for key, value in _facts(generator).items():
        if told.get(key) != value:
            words = f"the {key} is {value}, but {CONFIG} names {reason(ValueError(told.get(key)))}"
            raise CheckpointError(f"The two files of {folder} do not belong together ({words}): get both again.")
    return generator


def _told(path: Path) -> dict[str, Any]:
    """What a config.json holds. Raises CheckpointError."""
    try:
        if regular(path).stat().st_size > MAX_CONFIG:
            raise ValueError("it is longer than any that zplus writes")
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no object")
        return found
    except FileNotFoundError:
        raise CheckpointError(f"There is no {CONFIG} in {path.parent}: save_pretrained writes one.") from None
    except DAMAGE as error:
        raise CheckpointError(f"{path} is damaged ({reason(error)}): get it again.") from None


def _fetched(repository: str, revision: str | None) -> Path:
    """The folder of a repository's two files, in the cache of huggingface_hub."""
    try:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub") from error
    try:
        files = [Path(hf_hub_download(repository, file, revision=revision)) for file in (CONFIG, WEIGHTS)]
    except Exception as error:  # of the hub's library, of the network, of the disk
        words = f"check the name, and that it holds {CONFIG} and {WEIGHTS}"
        raise DownloadError(f"{repository} cannot be fetched from the hub ({reason(error)}): {words}.") from None
    return files[0].parent
