"""`zplus directions list`, `show`, `learn` and `import`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zplus.command import options
from zplus.command.outputs import output_file, output_folder
from zplus.command.show import Show, table
from zplus.files import unlinked
from zplus.workflow.options import LearnOptions, LearnSpace

if TYPE_CHECKING:
    from zplus.direction import Direction

directions = typer.Typer(help="List, show, learn and import directions.", no_args_is_help=True)


@directions.command("list")
def list_directions(
    model: options.Model = LearnOptions.model,
    label: options.Label = LearnOptions.label,
    as_json: options.Json = False,
) -> None:
    """List the directions that come for a model."""
    from zplus.editing import directions_of
    from zplus.generators import load_generator
    from zplus.workflow.learning import described

    found = directions_of(load_generator(model, "cpu", label))
    cells = [
        (d.name, d.space, d.card.get("attribute", "-"), d.card.get("accuracy", "-"), d.card.get("samples", "-"))
        for d in found.values()
    ]
    text = table(("NAME", "SPACE", "ATTRIBUTE", "ACCURACY", "SAMPLES"), cells)
    Show(as_json).result({"model": model, "results": [described(d) for d in found.values()]}, text)


@directions.command("show")
def show_direction(
    name: Annotated[str, typer.Argument(help="The name of a direction, or its file.", show_default=False)],
    model: options.Model = LearnOptions.model,
    label: options.Label = LearnOptions.label,
    as_json: options.Json = False,
) -> None:
    """Show how a direction was found, and how good it is."""
    from zplus.editing import find_direction
    from zplus.generators import load_generator
    from zplus.workflow.learning import described

    card = described(find_direction(name, load_generator(model, "cpu", label)))
    Show(as_json).result(card, table(("", ""), [(key, _in_short(value)) for key, value in card.items()]).lstrip("\n"))


@directions.command("learn")
def learn_direction(
    context: options.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write; a folder for components.")],
    attribute: Annotated[
        str | None, typer.Option("--attribute", help="What is scored: smile_network, age, ...")
    ] = LearnOptions.attribute,
    scorer: Annotated[
        str | None, typer.Option("--scorer", help="Your own: MODULE:FUNCTION, from uint8 RGB [H,W,3] to a number.")
    ] = LearnOptions.scorer,
    components: Annotated[
        int | None, typer.Option("--components", min=1, help="How many directions to find without any scores.")
    ] = LearnOptions.components,
    positive: Annotated[
        Path | None, typer.Option("--positive", help="A folder of pictures that have it.")
    ] = LearnOptions.positive,
    negative: Annotated[
        Path | None, typer.Option("--negative", help="A folder of pictures that lack it.")
    ] = LearnOptions.negative,
    method: Annotated[
        str | None, typer.Option("--method", help="boundary or channel by scores; principal or factorize without.")
    ] = LearnOptions.method,
    space: Annotated[LearnSpace, typer.Option("--space", help="Where to look: z, w or s.")] = "w",
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A direction whose effect is to be left out; repeatable.")
    ] = None,
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="How many samples are drawn and scored.")
    ] = LearnOptions.samples,
    name: Annotated[str | None, typer.Option("--name", help="Its name; by default the attribute's.")] = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="The codes that move, FIRST:LAST without the last; 0:5 suits pose.")
    ] = LearnOptions.layers,
    model: options.Model = LearnOptions.model,
    label: options.Label = LearnOptions.label,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples.")] = LearnOptions.seed,
    no_align: options.NoAlign = not LearnOptions.align,
    device: options.Device = LearnOptions.device,
    as_json: options.Json = False,
) -> None:
    """Learn directions from scored samples, from pictures that you sorted, or from the model alone.

    --attribute or --scorer: the normal of the boundary between the samples with the highest and the lowest scores, or
    the one channel of S that moves the score most. --positive and --negative: your pictures are inverted and separated.
    --components: what varies most (principal, GANSpace) or what the weights amplify most (factorize, SeFa).
    """
    how = options.record(LearnOptions, locals(), without=tuple(without or ()), align=not no_align)

    from zplus.workflow.learning import chosen_finder, described, learn_directions

    finder, unread = chosen_finder(how)
    options.refuse(context, finder.gist, *("no_align" if name == "align" else name for name in unread))
    show = Show(as_json)
    if "count" in finder.needs:
        folder = output_folder(out)
        found = learn_directions(how, out.stem, show.callbacks)
        _write_all(found, _places(found, folder), show)
        return
    output_file(out, how.model, *how.without, picture=False)
    (one,) = learn_directions(how, out.stem, show.callbacks)
    _write(one, out)
    card = described(one)
    text = f"{out}\n{table(('', ''), list(card.items()))}"
    show.result({"direction": out, **card, "warnings": show.warnings}, text)


@directions.command("import")
def import_direction(
    context: options.Context,
    source: Annotated[Path, typer.Argument(help="A direction or components: .npy, .npz or .pt.", show_default=False)],
    space: Annotated[str, typer.Option("--space", help="z or w: the file cannot tell.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write; a folder for components.")],
    attribute: Annotated[
        str | None, typer.Option("--attribute", help="Measure the unit by this score, as for learnt ones.")
    ] = LearnOptions.attribute,
    samples: Annotated[int, typer.Option("--samples", min=10, help="Samples that are scored for it.")] = 200,
    name: Annotated[str | None, typer.Option("--name", help="Its name; by default the file's.")] = LearnOptions.name,
    model: options.Model = LearnOptions.model,
    label: options.Label = LearnOptions.label,
    device: options.Device = LearnOptions.device,
    as_json: options.Json = False,
) -> None:
    """Take over directions that another program found for the same generator.

    InterFaceGAN's and W+ .npy files, e4e's .pt files, GANSpace's components.
    """
    how, show = options.record(LearnOptions, locals()), Show(as_json)

    from zplus.generators import load_generator
    from zplus.workflow.learning import measured_directions, read_foreign

    generator = load_generator(model, device, label)
    read = read_foreign(generator, source, how, show.callbacks)
    several = len(read) > 1
    if several:
        options.refuse(context, "components are called by their file and number", "name")
    folder = output_folder(out) if several else output_file(out, source, model, picture=False).parent
    found = measured_directions(generator, read, how, show.callbacks)
    _write_all(found, _places(found, folder) if several else [out], show)


def _places(found: "list[Direction]", folder: Path) -> list[Path]:
    """A file in the folder for each direction."""
    return [unlinked(folder / f"{one.name}.safetensors") for one in found]


def _write(direction: "Direction", path: Path) -> None:
    from zplus.direction import save_direction

    save_direction(direction, path)


def _write_all(found: "list[Direction]", paths: list[Path], show: Show) -> None:
    from zplus.workflow.learning import described

    for one, path in zip(found, paths, strict=True):
        _write(one, path)
    rows = [{"direction": path, **described(one)} for one, path in zip(found, paths, strict=True)]
    cells = [(path, one.space, f"{one.unit:.3f}") for one, path in zip(found, paths, strict=True)]
    show.result({"results": rows, "warnings": show.warnings}, table(("DIRECTION", "SPACE", "UNIT"), cells))


def _in_short(value: Any) -> str:
    """What a card holds, for a person; of a matrix's row each number with its sign."""
    if isinstance(value, dict) and all(isinstance(x, int | float) for x in value.values()):
        return ", ".join(f"{name} {x:+.2f}" for name, x in value.items())
    return str(value)
