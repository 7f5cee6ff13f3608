"""The commands `bench` and `report`: what a run needs is put together, and its folder written or read."""

import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from zplus.benchmark.bench import Bench, Plan
from zplus.benchmark.gauge import Gauge, face_gauges, learnt_gauge
from zplus.benchmark.people import People
from zplus.benchmark.report import write_report
from zplus.benchmark.rows import Row
from zplus.benchmark.run import Recorder, Trial
from zplus.benchmark.speed import SpeedBench
from zplus.benchmark.statistics import MINIMUM
from zplus.benchmark.subjects import Images, Subjects, drawn, photos
from zplus.benchmark.survey import count_survey, sentence, write_survey
from zplus.benchmark.trial import Instruments
from zplus.command.outputs import output_folder
from zplus.command.show import Show
from zplus.direction import Direction
from zplus.editing import FINDERS, Search, directions_of, find_direction
from zplus.errors import DownloadError, MissingExtraError, ZplusError
from zplus.generators import Generator, load_generator
from zplus.generators.contract import fingerprint
from zplus.perception.attributes import ATTRIBUTES, Scorers
from zplus.perception.identity import Identity
from zplus.perception.lpips import LPIPS
from zplus.perception.metrics import LPIPS_SIDE, MetricNetworks
from zplus.spaces import space_class

FACES = ("smile", "age", "yaw")  # directions whose scorers have a judge
COMPONENTS = 3  # principal components of W, for generators without directions that can be scored
PRIOR, SAMPLES = 100, 2000  # samples by which the scorers' spread is measured, and by which a gauge learns
PAIRS = 32
MIN_QUALITY = 0.5  # correlation with which a gauge is trusted


@dataclass(frozen=True)
class Asked:
    """What a bench was asked for beside its plan; photos, pairs and directions as paths and names."""

    model: str
    out: Path
    photos: Path | None = None
    photo_count: int | None = None
    pairs: Path | None = None
    directions: Sequence[str] = ()
    aligned: bool = False
    minutes: float = math.inf
    tune: bool = False
    label: int | None = None
    device: str = "cpu"


def run_bench(plan: Plan, asked: Asked, show: Show) -> int:
    """Run a bench, or go on with it, until its end or that of the budget; returns the exit code."""
    if not plan.conditions or not (plan.count or asked.photos or asked.pairs):
        raise ZplusError("There is nothing to invert: give --photos, --pairs or a --count.")
    generator, notes = load_generator(asked.model, asked.device, asked.label), list[str]()
    directions = _directions(generator, asked.directions)
    others = _others(generator, directions, asked, notes.append)
    with show.stage("Calibrating what measures"):
        gauges, people = _gauges(generator, directions, notes.append), _people(others, notes.append)
        lpips = {net: LPIPS(net).to(generator.device) for net in ("vgg", "alex")}
        networks = MetricNetworks(lpips.__getitem__, lpips_side=min(LPIPS_SIDE, generator.resolution))
    settings = asdict(plan) | {
        "tune": asked.tune, "device": asked.device, "others": {x.source: x.digest for x in others},
        "directions": {x.name: _digest(x, bool(asked.directions)) for x in directions},
        "gauges": [x.meaning for x in gauges], "identity": people is not None,
    }  # fmt: skip
    recorder = Recorder(output_folder(asked.out), plan.bench, generator, settings, _command(), asked.minutes)
    for note in notes:
        recorder.note(note)
    measure = Instruments(*gauges, networks, people)
    bench = Bench(generator, plan, directions, measure, recorder.folder)
    before = [
        Trial("calibration", lambda: _calibration(gauges, others, people)),
        *(Trial("what is seen in photos", partial(_seen, x, measure)) for x in others if x.real),
        *(bench.tuning() if asked.tune else ()),
    ]
    finished = recorder.record(before, show.say)
    bench.choose_rates(recorder.rows("rate"))
    finished = finished and recorder.record(bench.trials(others), show.say)
    return _end(recorder, finished, show)


def run_speed(asked: Asked, repeats: int, show: Show) -> int:
    """Time the parts of editing; returns the exit code."""
    generator = load_generator(asked.model, asked.device, asked.label)
    settings = {"repeats": repeats, "device": asked.device}
    recorder = Recorder(output_folder(asked.out), "speed", generator, settings, _command())
    bench = SpeedBench(generator, _directions(generator, ())[0], repeats)
    return _end(recorder, recorder.record(bench.trials(), show.say), show)


def write_report_of(run: Path, public: bool, survey: tuple[str, str] | None, seed: int, show: Show) -> None:
    """Write the report of a run, and the page of a survey; its key beside the folder, which is what one gives away."""
    with show.stage("Writing the report"):
        html, markdown = write_report(run, public)
    made = {"report": html, "markdown": markdown}
    if survey:
        key = run.resolve().with_name(f"{run.resolve().name}.survey.key.json")
        made |= {"survey": write_survey(run, *survey, key, seed, public=public), "key": key}
    show.result(made, "\n".join(map(str, made.values())))


def count_answers(answers: Path, key: Path, show: Show) -> None:
    """Count the answers to a survey: a file, or all of a folder."""
    count = count_survey(sorted(answers.glob("*.json")) if answers.is_dir() else [answers], key)
    show.result(count._asdict(), sentence(count))


def _end(recorder: Recorder, finished: bool, show: Show) -> int:
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
    return int(bool(recorder.failed))


def _command() -> str:
    """What was typed, without the folders of this machine."""
    words = (word.partition("=") for word in sys.argv[1:])
    return shlex.join(["zplus", *("".join((_named(key), sign, _named(value))) for key, sign, value in words)])


def _named(word: str) -> str:
    return Path(word).name if word and Path(word).exists() else word


def _directions(generator: Generator, names: Sequence[str]) -> list[Direction]:
    """Those that were asked for; else those of faces that can be judged; else principal components."""
    known = directions_of(generator)
    found = [find_direction(name, generator) for name in names]
    found = found or [known[name] for name in FACES if name in known]
    found = found or FINDERS["principal"](generator, Search(count=COMPONENTS))
    for one in found:
        if not space_class(one.space).has_w_vectors:
            raise ZplusError(f"{one.name} is of {one.space}: only directions of w and w+ reach every space.")
    return found


def _digest(direction: Direction, given: bool) -> str:
    """What tells a direction from others of its name; components have last bits of their own in every run."""
    computed = direction.card.get("method") == "principal" and not given
    return "computed" if computed else fingerprint({"": direction.vector})


def _gauges(generator: Generator, directions: Sequence[Direction], told: Callable[[str], None]) -> tuple[Gauge, Gauge]:
    """The scorers of faces where all directions have one; else learnt on the spot, by two networks on other samples."""
    if all(x.card.get("attribute") in ATTRIBUTES for x in directions):
        try:
            return face_gauges(generator, directions, Scorers(), PRIOR)
        except (MissingExtraError, DownloadError) as error:
            told(f"The scorers of faces are not here, so gauges were learnt instead: {error}")
    one, other = (learnt_gauge(generator, directions, net, SAMPLES, seed) for net, seed in (("vgg", 11), ("alex", 12)))
    return one, other


def _others(
    generator: Generator, directions: Sequence[Direction], asked: Asked, told: Callable[[str], None]
) -> list[Subjects]:
    """Drawings and photos, where they were given."""
    found = []
    if asked.pairs is not None:
        found.append(drawn(asked.pairs, generator, [x.name for x in directions], asked.photo_count or PAIRS))
    if asked.photos is not None:
        found.append(photos(asked.photos, generator, asked.photo_count, asked.aligned, told))
    return found


def _people(others: Sequence[Subjects], told: Callable[[str], None]) -> People | None:
    """The people of the photos, if there are any and the networks that know people are here."""
    try:
        found = next((People(x.names, (image[0] for image in _each(x)), Identity()) for x in others if x.real), None)
    except (MissingExtraError, DownloadError) as error:
        told(f"Identity is not measured: {error}")
        return None
    if found and found.threshold is None:
        told("The distance of faces at a false-accept rate of .001 is left out: it takes 1,000 pairs, thus 46 photos.")
    return found


def _each(subjects: Subjects) -> Iterator[Images]:
    """One picture at a time."""
    return (subjects[i : i + 1].images for i in range(len(subjects.names)))


def _calibration(gauges: tuple[Gauge, Gauge], others: Sequence[Subjects], people: People | None) -> Iterator[Row]:
    """How far the gauges can be trusted, and from where on two faces count as two people."""
    for gauge in gauges:
        for name, quality in gauge.quality.items():
            yield _check(f"{gauge.meaning}: correlation with {name} on fresh samples", quality)
    for subjects in (x for x in others if x.real and len(x.names) >= MINIMUM):
        one, other = ([gauge.read(image) for image in _each(subjects)] for gauge in gauges)
        for name in one[0].keys() & other[0].keys():
            a, b = (np.concatenate([x[name] for x in read]) for read in (one, other))
            known = np.isfinite(a) & np.isfinite(b)
            agreement = float(np.corrcoef(a[known], b[known])[0, 1])
            yield _check(f"correlation of gauge and judge of {name} on {known.sum()} photos", agreement)
    if people is not None and people.threshold is not None:
        yield _check("distance of faces at a false-accept rate of .001", people.threshold, 0.0)


def _seen(faces: Subjects, measure: Instruments) -> Iterator[Row]:
    """What edits of photos are compared with as a whole."""
    for name, image in zip(faces.names, _each(faces), strict=True):
        yield {"table": "photo", "subject": name, "real": True, "seen": measure.seen(image)[0]}


def _check(what: str, value: float, least: float = MIN_QUALITY) -> Row:
    return {"table": "sanity", "check": what, "value": value, "limit": least, "passed": bool(value >= least)}
