"""The command `bench`: a run of trials in a folder, which goes on where it stopped."""

import shlex
import sys
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zplus.command import options
from zplus.command.outputs import output_folder
from zplus.command.show import Show

if TYPE_CHECKING:
    from zplus.benchmark.run import Recorder

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
    list[str] | None,
    typer.Option("--space", help="Only this space, control or way to edit, by its name in the report; repeatable."),
]
Distortion = Annotated[
    float | None,
    typer.Option(
        "--distortion", min=0.001, max=1, help="Stop each inversion at this LPIPS, so that all edit from equally far."
    ),
]
Names = Annotated[
    list[str] | None,
    typer.Option(
        "-d",
        "--direction",
        help="What to edit: names or files; repeat it. By default those that can be measured.",
    ),
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
        encoder: options.OwnEncoder = None,
        no_align: Annotated[bool, typer.Option("--no-align", help="The photos are aligned faces already.")] = False,
        budget: Budget = inf,
        tune: Tune = False,
        label: options.Label = None,
        device: options.Device = "cpu",
        as_json: options.Json = False,
    ) -> None:
        from zplus.benchmark.bench import Plan
        from zplus.benchmark.prepare import BenchOptions, Prepared
        from zplus.benchmark.run import Recorder
        from zplus.generators import load_generator

        show, notes = Show(as_json), list[str]()
        plan = Plan(name, count, seeds, steps, batch, tuple(space or ()), distortion)
        asked = BenchOptions(photos, photo_count, pairs, tuple(direction or ()), no_align, tune, encoder)
        generator = load_generator(model, device, label)
        with show.stage("Calibrating what measures"):
            prepared = Prepared(generator, plan, asked, notes.append)
        recorder = Recorder(output_folder(out), name, generator, prepared.settings, _typed(), budget, prepared.primary)
        for note in notes:
            recorder.note(note)
        _end(recorder, prepared.record(recorder, show.say), show)

    bench.command(name, help=summary)(command)


_run("spaces", "The ten latent spaces and three controls, with the same steps and pictures.")
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
    from zplus.benchmark.prepare import bench_directions
    from zplus.benchmark.run import Recorder
    from zplus.benchmark.speed import SpeedBench
    from zplus.generators import load_generator

    show, generator = Show(as_json), load_generator(model, device, label)
    settings = {"repeats": repeats, "device": device}
    recorder = Recorder(output_folder(out), "speed", generator, settings, _typed())
    trials = SpeedBench(generator, bench_directions(generator)["w"], repeats).trials()
    _end(recorder, recorder.record(trials, show.say), show)


def _end(recorder: "Recorder", finished: bool, show: Show) -> None:
    """Say how a run ended, and exit: with 1 if a trial failed."""
    recorder.close(finished)
    out, skipped = recorder.folder, recorder.facts["skipped"]
    for note in skipped:
        show.warn(note)
    state = "finished" if finished else "the same command goes on"
    if finished and recorder.failed:
        state = "finished but for what failed, which the same command tries again"
    show.result(
        {"run": out, "finished": finished, "trials": len(recorder.done), "skipped": skipped},
        f"{out}: {state}; 'zplus report {out}' reads it.",
    )
    raise typer.Exit(int(bool(recorder.failed)))


def _typed() -> str:
    """What was typed, without the folders of this machine."""
    words = (word.partition("=") for word in sys.argv[1:])
    return shlex.join(["zplus", *("".join((_name(key), sign, _name(value))) for key, sign, value in words)])


def _name(word: str) -> str:
    return Path(word).name if word and Path(word).exists() else word
