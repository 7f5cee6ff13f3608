"""What `zplus bench` understands."""

from math import inf
from pathlib import Path
from typing import Annotated

import typer

from zplus.command import options
from zplus.command.show import Show

Out = Annotated[Path, typer.Option("-o", "--out", help="The folder of the run; one that stopped goes on.")]
Photos = Annotated[Path | None, typer.Option("--photos", help="A folder of photos to invert and edit as well.")]
PhotoCount = Annotated[
    int | None, typer.Option("--photo-count", min=1, help="The most photos (or pairs) that are taken.")
]
Pairs = Annotated[
    Path | None, typer.Option("--pairs", help="A zip of drawings with their true edits, named in its pairs.jsonl.")
]
Count = Annotated[int, typer.Option("--count", min=0, help="Pictures of the generator, of each source and seed.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How often the generator's pictures are drawn anew.")]
Batch = Annotated[
    int | None, typer.Option("--batch", min=1, help="Pictures inverted at once, by default as many as suit their size.")
]
Spaces = Annotated[
    list[str] | None, typer.Option("--space", help="Only this space (or control, by its name); repeat it for several.")
]
Distortion = Annotated[
    float | None,
    typer.Option(
        "--distortion", min=0.001, max=1, help="Stop each inversion at this LPIPS, so that all edit from equally far."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option("-d", "--direction", help="What to edit: names or files; repeat it. By default what can be judged."),
]
Budget = Annotated[float, typer.Option("--budget", min=0, help="Minutes after which no further trial begins.")]
Tune = Annotated[
    bool, typer.Option("--tune", help="First choose the learning rate of each space on pictures of their own.")
]

bench = typer.Typer(help="Compare spaces, methods and settings, fairly, as a run that can go on.", no_args_is_help=True)


def _run(name: str, summary: str) -> None:
    """One command for each bench that inverts and edits: all have the same options."""

    def command(
        out: Out,
        model: options.Model = options.DEFAULT_MODEL,
        photos: Photos = None,
        photo_count: PhotoCount = None,
        pairs: Pairs = None,
        count: Count = 8,
        seeds: Seeds = 3,
        steps: options.Steps = None,
        batch: Batch = None,
        space: Spaces = None,
        direction: Names = None,
        distortion: Distortion = None,
        no_align: Annotated[bool, typer.Option("--no-align", help="The photos are aligned faces already.")] = False,
        budget: Budget = inf,
        tune: Tune = False,
        label: options.Label = None,
        device: options.Device = "cpu",
        as_json: options.Json = False,
    ) -> None:
        from zplus.benchmark.bench import Plan
        from zplus.command.benchmarking import Asked, run_bench

        plan = Plan(name, count, seeds, steps, batch, tuple(space or ()), distortion)
        names = tuple(direction or ())
        asked = Asked(model, out, photos, photo_count, pairs, names, no_align, budget, tune, label, device)
        raise typer.Exit(run_bench(plan, asked, Show(as_json)))

    bench.command(name, help=summary)(command)


_run("spaces", "The ten latent spaces and three controls, each with the same directions, steps and pictures.")
_run("methods", "The methods of inversion, each in the spaces that it has a form in.")
_run("ablations", "Which part of F/Z+ does what: one setting changed at a time.")


@bench.command("speed")
def bench_speed(
    out: Out,
    model: options.Model = options.DEFAULT_MODEL,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often each part is timed.")] = 5,
    label: options.Label = None,
    device: options.Device = "cpu",
    as_json: options.Json = False,
) -> None:
    """How long the parts of editing take here."""
    from zplus.command.benchmarking import Asked, run_speed

    raise typer.Exit(run_speed(Asked(model, out, label=label, device=device), repeats, Show(as_json)))


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a run, or answers to a survey with --key.")],
    public: Annotated[bool, typer.Option("--public", help="Without pictures of real people.")] = False,
    survey: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--survey", metavar="A B", help="A page as well on which people choose between two of its spaces."
        ),
    ] = None,
    seed: options.Seed = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Count answers to a survey by its key instead of writing a report.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write the report of a run: a page of one file and Markdown.

    With --survey, a page of pairs for people to judge, and apart from it the key to what they saw.
    """
    from zplus.command.benchmarking import count_answers, write_report_of

    if key is not None:
        count_answers(run, key, Show(as_json))
    else:
        write_report_of(run, public, survey, seed or 0, Show(as_json))
