"""The commands `bench` and `report`: what a run needs is put together, and its folder written or read."""

import math
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from zplus.benchmark.bench import Bench, Plan
from zplus.benchmark.gauge import Gauge, face_gauges, learnt_gauge
from zplus.benchmark.people import People
from zplus.benchmark.report import write_report
from zplus.benchmark.rows import Row
from zplus.benchmark.run import Recorder, Trial
from zplus.benchmark.speed import SpeedBench
from zplus.benchmark.subjects import Subjects, drawn, photos
from zplus.benchmark.survey import count_survey, sentence, write_survey
from zplus.benchmark.trial import Instruments
from zplus.command.prepare import open_generator, output_folder
from zplus.command.show import Show
from zplus.direction import Direction
from zplus.editing import directions_of, find_direction, principal
from zplus.errors import DownloadError, MissingExtraError
from zplus.faces.landmarks import FaceFinder
from zplus.generators import Generator
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.identity import Identity
from zplus.perception.lpips import LPIPS

FACES = ("smile", "age", "yaw")  # directions whose scorers have a judge
COMPONENTS = 3  # principal components of W, for generators without directions that can be scored
PRIOR, SAMPLES = 100, 2000  # samples by which the scorers' spread is measured, and by which a gauge learns
PAIRS = 32
LEAST_QUALITY = 0.5


def run_bench(
    plan: Plan,
    model: str,
    out: Path,
    folder: Path | None,
    pairs: Path | None,
    photo_count: int | None,
    names: Sequence[str],
    minutes: float,
    tune: bool,
    device: str,
    show: Show,
) -> None:
    """Run a bench, or go on with it, until its end or that of the budget."""
    generator = open_generator(model, device)
    directions = _directions(generator, names)
    given = {"photos": photo_count if folder else 0, "pairs": pairs is not None, "tune": tune}
    settings = asdict(plan) | given | {"directions": [x.name for x in directions]}
    recorder = Recorder(output_folder(out), plan.bench, generator, settings, _command())
    with show.stage("Calibrating what measures"):
        faces = all(x.card.get("attribute") in ATTRIBUTES for x in directions)
        gauges = face_gauges(generator, directions, Scorers(), PRIOR) if faces else _learnt(generator, directions)
        others = _others(generator, directions, folder, pairs, photo_count, faces, recorder)
        people = _people(others, faces, recorder)
        vgg, alex = (LPIPS(net).to(generator.device) for net in ("vgg", "alex"))
        measure = Instruments(*gauges, vgg, alex, people)
    bench = Bench(generator, plan, directions, measure, recorder.folder)
    first = [Trial("calibration", lambda: _calibration(gauges, others, people)), *(bench.tuning() if tune else ())]
    finished = recorder.record(first, minutes, show.say)
    bench.choose_rates(recorder.rows("rate"))
    finished = finished and recorder.record(bench.trials(others), minutes, show.say)
    recorder.close(finished)
    show.result(
        {"run": out, "finished": finished, "trials": len(recorder.done), "skipped": recorder.facts["skipped"]},
        f"{out}: {'finished' if finished else 'the same command goes on'}; 'zplus report {out}' reads it.",
    )


def run_speed(model: str, out: Path, repeats: int, device: str, show: Show) -> None:
    """Time the parts of editing."""
    generator = open_generator(model, device)
    recorder = Recorder(output_folder(out), "speed", generator, {"repeats": repeats}, _command())
    direction = _directions(generator, ())[0]
    recorder.close(recorder.record(SpeedBench(generator, direction, repeats).trials(), math.inf, show.say))
    show.result({"run": out, "finished": True}, f"{out}: finished; 'zplus report {out}' reads it.")


def write_report_of(run: Path, public: bool, survey: tuple[str, str] | None, seed: int, show: Show) -> None:
    """Write the report of a run, and the page of a survey."""
    with show.stage("Writing the report"):
        html, markdown = write_report(run, public)
    made = {"report": html, "markdown": markdown}
    if survey:
        made |= {"survey": write_survey(run, *survey, run / "survey.key.json", seed), "key": run / "survey.key.json"}
    show.result(made, "\n".join(map(str, made.values())))


def count_answers(answers: Path, key: Path, show: Show) -> None:
    """Count the answers to a survey: a file, or all of a folder."""
    count = count_survey(sorted(answers.glob("*.json")) if answers.is_dir() else [answers], key)
    show.result(count._asdict(), sentence(count))


def _command() -> str:
    """What was typed, without the folders of this machine."""
    return shlex.join(["zplus", *(Path(x).name if Path(x).exists() else x for x in sys.argv[1:])])


def _directions(generator: Generator, names: Sequence[str]) -> list[Direction]:
    """Those that were asked for; else those of faces that can be judged; else principal components."""
    if names:
        return [find_direction(name, generator) for name in names]
    known = directions_of(generator)
    return [known[name] for name in FACES if name in known] or principal(generator, COMPONENTS)


def _learnt(generator: Generator, directions: Sequence[Direction]) -> tuple[Gauge, Gauge]:
    """By two networks and other samples: the second takes no part in matching."""
    one, other = (learnt_gauge(generator, directions, net, SAMPLES, seed) for net, seed in (("vgg", 11), ("alex", 12)))
    return one, other


def _others(
    generator: Generator,
    directions: Sequence[Direction],
    folder: Path | None,
    pairs: Path | None,
    count: int | None,
    faces: bool,
    recorder: Recorder,
) -> list[Subjects]:
    """Drawings and photos, where they were given."""
    found = []
    if pairs is not None:
        found.append(drawn(pairs, generator, [x.name for x in directions], count or PAIRS))
    if folder is not None:
        found.append(photos(folder, generator, count, FaceFinder() if faces else None, recorder.note))
    return found


def _people(others: Sequence[Subjects], faces: bool, recorder: Recorder) -> People | None:
    """The people of the photos, if there are any and the networks that know people are here."""
    real = [x for x in others if x.real]
    if not real or not faces:
        return None
    try:
        return People(real[0].names, list(real[0].images), Identity())
    except (MissingExtraError, DownloadError) as error:
        recorder.note(f"Identity is not measured: {error}")
        return None


def _calibration(gauges: Sequence[Gauge], others: Sequence[Subjects], people: People | None) -> Iterator[Row]:
    """How far the gauges can be trusted, and from where on two faces count as two people."""
    for gauge in gauges:
        for name, quality in gauge.quality.items():
            yield _check(f"{gauge.meaning}: correlation with {name} on fresh samples", quality, LEAST_QUALITY)
    for subjects in (x for x in others if x.real):
        for gauge in gauges:
            for name, values in gauge.read(subjects.images).items():
                what = f"spread of {name} on photos, in deviations of the prior, {gauge.meaning}"
                yield _check(what, float(np.nanstd(values)), 0.0)
    if people is not None:
        yield _check("distance of faces at a false-accept rate of .001", people.threshold, 0.0)


def _check(what: str, value: float, least: float) -> Row:
    return {"table": "sanity", "check": what, "value": value, "limit": least, "passed": bool(value >= least)}
