"""The commands `models` and `pull`: what can be had by name, and how it comes onto this machine."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from zplus.archives import Archive, fetch, folder
from zplus.command.show import Show, complain, table
from zplus.errors import UnknownNameError, ZplusError
from zplus.faces.weights import FACE_MODELS
from zplus.generators import MODELS, Generator, load_generator
from zplus.generators import pull as pull_generator
from zplus.generators.zoo import model_path
from zplus.latent import Latent
from zplus.perception.weights import AGE_GENDER, EMOTION, LPIPS_WEIGHTS


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


def show_models(show: Show) -> None:
    """All that can be had by name: what it is, its terms, what pulling fetches, and whether it is here."""
    about = {name: (model.about, model.licence) for name, model in MODELS.items()}
    about |= {name: (network.about, network.archive.licence) for name, network in NETWORKS.items()}
    rows: list[dict[str, Any]] = [
        {"name": name, "what": what, "licence": licence, "here": is_here(name), "megabytes": _megabytes(name)}
        for name, (what, licence) in about.items()
    ]
    cells: list[tuple[object, ...]] = []
    for row in rows:
        cells.append((row["name"], "yes" if row["here"] else "no", f"{row['megabytes']} MB", row["what"]))
        cells.append(("", "", "", f"({row['licence']})"))
    show.result({"results": rows}, table(("NAME", "HERE", "SIZE", "WHAT"), cells))


def pull_named(names: Iterable[str], show: Show) -> int:
    """Pull by name; "all" stands for all. The exit code: 1 if some of several failed, 2 if all did."""
    wanted = list(dict.fromkeys(known for name in names for known in (KNOWN if name == "all" else [_checked(name)])))
    results: list[dict[str, Any]] = []
    failed: list[dict[str, Any]] = []
    for name in wanted:
        try:
            before = is_here(name)
            pull_one(name, show)
            results.append({"name": name, "megabytes": _megabytes(name), "was_here": before})
        except Exception as error:
            failed.append({"name": name, "error": complain(error, name)})
    text = "\n".join(f"{r['name']}: {'was here already' if r['was_here'] else 'pulled'}" for r in results)
    show.result({"results": results, "failed": failed}, text)
    return 0 if not failed else 1 if results else 2


def needed(model: str) -> list[str]:
    """What a photo's whole way needs: the networks, and the model unless it is a file of the user's."""
    if model not in MODELS and (Path(model).suffix or Path(model).is_file()):
        return list(NETWORKS)
    model_path(model)  # an unknown name is refused before anything is fetched
    return [model, *NETWORKS]


def generator_of(latent: Latent, model: str | None, device: str, label: int | None, show: Show) -> Generator:
    """The generator that a latent belongs to: the one of its name, pulled if it is missing, or `model`."""
    if model is None and latent.generator not in MODELS:
        raise ZplusError(f"This latent belongs to the generator {latent.generator}: give its file with --model.")
    model = model or latent.generator
    pull_missing([model] if model in MODELS else [], show)
    return load_generator(model, device, label)


def pull_missing(names: Iterable[str], show: Show) -> None:
    """Pull what is not here, after saying what it is, how large, and under which terms."""
    missing = [name for name in names if not is_here(name)]
    for name in missing:
        licence = MODELS[name].licence if name in MODELS else NETWORKS[name].archive.licence
        show.say(f"Not here yet, so it is pulled: {name}, {_megabytes(name)} MB, {licence}")
    for name in missing:
        pull_one(name, show)


def pull_one(name: str, show: Show) -> None:
    """Fetch, check and convert one model or network, unless it is here."""
    if is_here(name):
        return
    with show.stage(f"Pulling {name} ({_megabytes(name)} MB)"):
        if name in MODELS:
            pull_generator(name, show.say)
        else:
            fetch(NETWORKS[name].archive, show.say)


def is_here(name: str) -> bool:
    """Whether a model or network is on this machine."""
    return model_path(name).exists() if name in MODELS else folder(NETWORKS[name].archive) is not None


def _checked(name: str) -> str:
    if name not in KNOWN:
        raise UnknownNameError("model", name, (*KNOWN, "all"))
    return name


def _megabytes(name: str) -> int:
    """What pulling fetches: nothing for a model of this package."""
    if name not in MODELS:
        return NETWORKS[name].archive.megabytes
    source = MODELS[name].source
    return source.archive.megabytes if source else 0
