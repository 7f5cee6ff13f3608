"""What `zplus directions` understands."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from zplus.command import options
from zplus.command.options import DEFAULT_MODEL
from zplus.command.show import Show

directions = typer.Typer(help="List, show, learn and import directions.", no_args_is_help=True)


@directions.command("list")
def list_directions(model: options.Model = DEFAULT_MODEL, as_json: options.Json = False) -> None:
    """List the directions that come for a model."""
    from zplus.command.directions import show_list

    show_list(model, Show(as_json))


@directions.command("show")
def show_direction(
    name: Annotated[str, typer.Argument(help="The name of a direction, or its file.", show_default=False)],
    model: options.Model = DEFAULT_MODEL,
    as_json: options.Json = False,
) -> None:
    """Show how a direction was found, and how good it is."""
    from zplus.command.directions import show_card

    show_card(name, model, Show(as_json))


@directions.command("learn")
def learn_direction(
    context: options.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write; a folder for components.")],
    attribute: Annotated[
        str | None, typer.Option("--attribute", help="What is scored: smile_network, age, ...")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option("--scorer", help="Your own: MODULE:FUNCTION, from uint8 RGB [H,W,3] to a number.")
    ] = None,
    components: Annotated[
        int | None, typer.Option("--components", min=1, help="How many directions to find without any scores.")
    ] = None,
    positive: Annotated[Path | None, typer.Option("--positive", help="A folder of pictures that have it.")] = None,
    negative: Annotated[Path | None, typer.Option("--negative", help="A folder of pictures that lack it.")] = None,
    method: Annotated[
        str | None, typer.Option("--method", help="boundary or channel by scores; principal or factorize without.")
    ] = None,
    space: Annotated[Literal["z", "w", "s"], typer.Option("--space", help="Where to look: z, w or s.")] = "w",
    without: Annotated[
        list[str] | None, typer.Option("--without", help="A direction whose effect is to be left out; repeatable.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=1, help="How many samples are drawn and scored.")] = 5000,
    name: Annotated[str | None, typer.Option("--name", help="Its name; by default the attribute's.")] = None,
    layers: Annotated[
        str | None, typer.Option("--layers", help="The codes that move, FIRST:LAST without the last; 0:5 suits pose.")
    ] = None,
    model: options.Model = DEFAULT_MODEL,
    label: options.Label = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples.")] = 1,
    no_align: options.NoAlign = False,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Learn directions from scored samples, from pictures that you sorted, or from the model alone.

    --attribute or --scorer: the normal of the boundary between the samples with the highest and the lowest scores, or
    the one channel of S that moves the score most. --positive and --negative: your pictures are inverted and separated.
    --components: what varies most (principal, GANSpace) or what the weights amplify most (factorize, SeFa).
    """
    from zplus.command.directions import Wish, chosen, learn

    wish = Wish(
        out, model, label, name, method, attribute, scorer, components, positive, negative, space, layers,
        without or (), samples, seed, not no_align, device,
    )  # fmt: skip
    finder, unread = chosen(wish)
    options.refuse(context, finder.gist, *unread)
    learn(wish, Show(as_json))


@directions.command("import")
def import_direction(
    source: Annotated[Path, typer.Argument(help="A direction or components: .npy, .npz or .pt.", show_default=False)],
    space: Annotated[str, typer.Option("--space", help="z or w: the file cannot tell.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The .safetensors file to write; a folder for components.")],
    attribute: Annotated[
        str | None, typer.Option("--attribute", help="Measure the unit by this score, as for learnt ones.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=10, help="Samples that are scored for it.")] = 200,
    name: Annotated[str | None, typer.Option("--name", help="Its name; by default the file's.")] = None,
    model: options.Model = DEFAULT_MODEL,
    label: options.Label = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """Take over directions that another program found for the same generator.

    InterFaceGAN's and W+ .npy files, e4e's .pt files, GANSpace's components.
    """
    from zplus.command.directions import Wish, take_over

    wish = Wish(out, model, label, name, attribute=attribute, space=space, samples=samples, device=device)
    take_over(source, wish, Show(as_json))
