"""The generators and networks that can be pulled, by name."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from zplus.archives import Archive, fetch, folder
from zplus.errors import CheckpointError, UnknownNameError, ZplusError
from zplus.faces.weights import FACE_MODELS
from zplus.generators import MODELS, Generator, load_generator
from zplus.generators import pull as pull_generator
from zplus.generators.zoo import model_path
from zplus.latent import Latent
from zplus.perception.weights import AGE_GENDER, EMOTION, LPIPS_WEIGHTS
from zplus.workflow.callbacks import Callbacks


class Network(NamedTuple):
    """A network that finds or judges faces."""

    archive: Archive
    about: str


NETWORKS = {
    "faces": Network(FACE_MODELS, "finds faces, their landmarks and whose they are (dlib)"),
    "lpips": Network(LPIPS_WEIGHTS, "perceptual distance LPIPS, VGG16 and AlexNet"),
    "age-gender": Network(AGE_GENDER, "scores of perceived age and gender"),
    "emotion": Network(EMOTION, "score of smiling"),
}
KNOWN = (*MODELS, *NETWORKS)


def checked_name(name: str) -> str:
    """A name of KNOWN. Raises UnknownNameError."""
    if name not in KNOWN:
        raise UnknownNameError("model", name, (*KNOWN, "all"))
    return name


def is_here(name: str) -> bool:
    """Whether a model or network is on this machine."""
    return model_path(name).exists() if name in MODELS else folder(NETWORKS[name].archive) is not None


def about(name: str) -> str:
    """What a model or network is."""
    return MODELS[name].about if name in MODELS else NETWORKS[name].about


def licence(name: str) -> str:
    """The terms of a model or network; "" for what has no name."""
    if name in MODELS:
        return MODELS[name].licence
    return NETWORKS[name].archive.licence if name in NETWORKS else ""


def megabytes(name: str) -> int:
    """What pulling fetches: nothing for a model of this package."""
    if name not in MODELS:
        return NETWORKS[name].archive.megabytes
    source = MODELS[name].source
    return source.archive.megabytes if source else 0


def needed(model: str) -> list[str]:
    """The names of all that editing a photo needs: the networks, and the model unless it is a file.

    Raises:
        UnknownNameError: There is no model of that name.
        CheckpointError: There is no such file.
    """
    if model not in MODELS and (Path(model).suffix or Path(model).is_file()):
        if not Path(model).exists():
            raise CheckpointError(f"There is no file {model}.")
        return list(NETWORKS)
    model_path(model)  # an unknown name is refused before anything is fetched
    return [model, *NETWORKS]


def pull_missing(names: Iterable[str], callbacks: Callbacks) -> None:
    """Pull what is missing, after its name, size and licence were told. Raises DownloadError."""
    missing = [name for name in names if not is_here(name)]
    for name in missing:
        callbacks.say(f"Not here yet, so it is pulled: {name}, {megabytes(name)} MB, {licence(name)}")
    for name in missing:
        pull_one(name, callbacks)


def pull_one(name: str, callbacks: Callbacks) -> None:
    """Fetch, check and convert one model or network, unless it is here. Raises DownloadError."""
    if is_here(name):
        return
    with callbacks.stage(f"Pulling {name} ({megabytes(name)} MB)", None):
        if name in MODELS:
            pull_generator(name, callbacks.say)
        else:
            fetch(NETWORKS[name].archive, callbacks.say)


def generator_of(latent: Latent, model: str | None, device: str, label: int | None, callbacks: Callbacks) -> Generator:
    """Load `model`, or if that is None the generator that a latent names, which is pulled if it is missing.

    Raises:
        ZplusError: The latent names no known model, or the model cannot be loaded.
    """
    if model is None and latent.generator not in MODELS:
        raise ZplusError(f"This latent belongs to the generator {latent.generator}: give its file with --model.")
    model = model or latent.generator
    pull_missing([model] if model in MODELS else [], callbacks)
    return load_generator(model, device, label)
