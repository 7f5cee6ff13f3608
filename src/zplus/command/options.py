"""The options that several commands share: one name, one meaning, one help text."""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from zplus.errors import ZplusError
from zplus.workflow.options import InvertOptions

if TYPE_CHECKING:
    from typer import Context
else:
    Context = typer.Context.__base__  # which is what commands are given, whatever typer calls it

DEFAULT_MODEL = InvertOptions.model
DEVICES = ("cpu", "cuda", "mps")
MEANT = {"gpu": "cuda"}  # what people call a device

Record = TypeVar("Record")


def _checked_device(name: str) -> str:
    """A device by name; whether this machine has it is seen by torch. Raises ZplusError."""
    kind = name.partition(":")[0]
    if kind in DEVICES:
        return name
    near = [MEANT[kind.lower()]] if kind.lower() in MEANT else get_close_matches(kind[:60], DEVICES, n=1)
    hint = f"did you mean {near[0]!r}? There are" if near else "there are"
    raise ZplusError(f"Unknown device {name[:60]!r}: {hint} cpu, cuda and mps.")


def _face_or_all(text: str | int) -> int | str:
    """The number of a face, or all. Raises ZplusError."""
    text = str(text)
    if text != "all" and not text.isdecimal():
        raise ZplusError(f"--face is {text[:60]!r}, but must be a number, 0 being the largest, or all.")
    return text if text == "all" else int(text)


Photo = Annotated[Path, typer.Argument(help="A photo with a face.", show_default=False)]
Model = Annotated[str, typer.Option("--model", help="A model by name ('zplus models') or the file of a generator.")]
OwnModel = Annotated[str | None, typer.Option("--model", help="The file of the generator, if it has no name.")]
Label = Annotated[int | None, typer.Option("--label", min=0, help="The class that a conditional model is to show.")]
Transform = Annotated[
    str | None,
    typer.Option(
        "--transform",
        metavar="ANGLE[,X,Y]",
        help="A StyleGAN3 turns what it draws counter-clockwise and moves it right and down, in sides of the image.",
    ),
]
Space = Annotated[str, typer.Option("--space", help="z, z+, w, w+, s; with a feature map f/z, f/z+, f/w, f/w+, f/s.")]
Method = Annotated[
    str,
    typer.Option(
        "--method", help="default (hybrid with an encoder), e4e, idinvert, bdinvert, ii2s, sam, pti, released, paper-1."
    ),
]
Layer = Annotated[str | None, typer.Option("--layer", help="Where the feature map sits: a resolution or a layer.")]
Psi = Annotated[float, typer.Option("--psi", help="Truncation, 0 to 1; 1 is none.")]
Steps = Annotated[int | None, typer.Option("--steps", min=1, help="Steps of the inversion; by default the method's.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of what is drawn at random.")]
Start = Annotated[
    str | None, typer.Option("--start", help="Where to begin: encoder, common, random, mean, or the file of a latent.")
]
OwnEncoder = Annotated[
    str | None, typer.Option("--encoder", help="The file of an encoder; by default the one that comes for the model.")
]
NoAlign = Annotated[bool, typer.Option("--no-align", help="The photo is an aligned face already.")]
Face = Annotated[int, typer.Option("--face", min=0, help="Which face: 0 is the largest, 1 the next.")]
Faces = Annotated[
    Any,  # an int or "all"
    typer.Option(
        "--face", metavar="NUMBER|all", help="Which face: 0 is the largest, 1 the next; or all.", parser=_face_or_all
    ),
]
Batch = Annotated[
    int | None, typer.Option("--batch", min=1, help="How many faces are inverted at once; by default by the memory.")
]
Engine = Annotated[str, typer.Option("--engine", help="here, or ray: many processes or machines.")]
Address = Annotated[str | None, typer.Option("--address", help="Of a Ray cluster; by default one is made here.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="How many workers Ray starts; by default 2, or as --gpus fit."),
]
Gpus = Annotated[float, typer.Option("--gpus", min=0, help="GPUs of each worker of Ray, whole or a fraction.")]
Mask = Annotated[
    str | None,
    typer.Option(
        "--mask",
        metavar="REGION|PICTURE",
        help="Only there: mouth, eyes, face, hair, background, everything, or white in it.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or mps.", callback=_checked_device)]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from (also ZPLUS_DEBUG=1).")]
Directions = Annotated[
    list[str] | None,
    typer.Option(
        "-d",
        "--direction",
        metavar="NAME[=STRENGTH]",
        help="What to change and by how many standard deviations (1); repeat it for several; files too.",
    ),
]


def refuse(context: Context, why: str, *names: str) -> None:
    """Refuse those of these options, by their parameters' names, that were given: they would be passed over."""
    given = {name for name in names if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"}
    flags = [parameter.opts[-1] for parameter in context.command.params if parameter.name in given]
    if flags:
        raise ZplusError(f"Leave out {', '.join(flags)}: {why}.")


def record(kind: type[Record], given: Mapping[str, Any], **more: Any) -> Record:
    """A record of options from the parameters of a command, which bear the names of its fields, and from others."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in given.items() if name in names} | more)
