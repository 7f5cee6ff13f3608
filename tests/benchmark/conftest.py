"""What tests of benches share: a small generator, a direction of it, and what measures."""

import pytest

from networks import random_lpips
from tiny import tiny_stylegan2
from zplus.benchmark.prepare import regressed
from zplus.benchmark.scorers import Scorer
from zplus.benchmark.trial import Metrics
from zplus.editing import FINDERS, Search
from zplus.perception.metrics import MetricNetworks


@pytest.fixture(scope="package")
def generator():
    return tiny_stylegan2()


@pytest.fixture(scope="package")
def directions(generator):
    return FINDERS["principal"](generator, Search(count=2))


@pytest.fixture(scope="package")
def kinds(generator, directions):
    """Directions by the kind of codes that they were found in."""
    return {"w": directions, "z": [regressed(generator, one) for one in directions]}


@pytest.fixture(scope="package")
def measure(directions):
    """Scorers that read the mean of a colour, which every edit moves a little."""

    def read(images):
        means = images.mean((2, 3)).double()
        return {x.name: (50 * means[:, i]).numpy() for i, x in enumerate(directions)}

    scorer = Scorer(read, dict.fromkeys([x.name for x in directions], 1.0), "colour")
    lpips = {net: random_lpips(net) for net in ("vgg", "alex")}
    return Metrics(scorer, scorer, MetricNetworks(lpips.__getitem__, lpips_side=32))


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    monkeypatch.setenv("ZPLUS_EAGER", "1")
