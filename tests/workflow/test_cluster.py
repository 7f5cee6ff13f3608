"""The engine of Ray: the same files as on one machine, and what happens when a worker is lost."""

import json
import os
import signal
from functools import partial

import pytest
import torch

from command_line import needs_lpips, picture
from tiny import tiny_stylegan2
from zplus.errors import ZplusError
from zplus.generators import save_generator
from zplus.workflow import InvertOptions
from zplus.workflow.batch import Here, invert_photos
from zplus.workflow.callbacks import SILENT
from zplus.workflow.cluster import Cluster
from zplus.workflow.manifest import manifest

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'zplus[scale]' to test --engine ray")
pytestmark = [needs_lpips, pytest.mark.filterwarnings("ignore")]  # of Ray's own, such as sockets that it leaves open


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> InvertOptions:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_generator(tiny_stylegan2(), path)
    return InvertOptions(model=str(path), align=False, steps=2)


@pytest.fixture(scope="module", autouse=True)
def _local():
    """A cluster of two processors, each of which the workers use alone, as this process does."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZPLUS_EAGER", "1")
        patch.setenv("RAY_worker_niceness", "0")  # Ray gives way to all else by default
        ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    found = [picture(folder / f"{i}.png", i) for i in range(5)]
    found[1].write_text("no picture", encoding="utf-8")
    return found


def run(photos, out, options, engine, after=lambda done: None):
    """Invert the photos; the rows of the manifest without times, and the bytes of the latents and pictures."""
    out.mkdir(exist_ok=True)
    with manifest(out, photos, photos[0].parent) as rows:
        for done, (photo, found) in enumerate(invert_photos(photos, out, options, SILENT, 2, None, engine)):
            rows.add(photo, found)
            after(done)
    lines = (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    table = [{name: x for name, x in json.loads(line).items() if name != "seconds"} for line in lines]
    return table, {x.name: x.read_bytes() for x in out.iterdir() if x.suffix not in (".json", ".jsonl")}


@pytest.fixture(scope="module")
def alone(photos, options, tmp_path_factory):
    return run(photos, tmp_path_factory.mktemp("alone"), options, Here)


def test_a_cluster_gives_what_one_machine_gives(photos, options, alone, tmp_path):
    found = run(photos, tmp_path / "out", options, partial(Cluster, workers=2))
    assert [row["status"] for row in found[0]] == ["finished", "failed", *["finished"] * 3]
    assert found[0] == alone[0] and found[1] == alone[1]
    assert run(photos, tmp_path / "out", options, partial(Cluster, workers=1)) == alone  # all finished before


def test_the_photos_of_a_lost_worker_are_done_again(photos, options, alone, tmp_path):
    engines, killed = [], []

    def engine(*arguments):
        engines.append(Cluster(*arguments, workers=2))
        return engines[0]

    def kill(done):
        for worker in engines[0].workers if done == 0 else []:
            killed.append(ray.get(worker.__ray_call__.remote(lambda own: os.getpid())))
            os.kill(killed[-1], signal.SIGKILL)

    assert run(photos, tmp_path / "out", options, engine, kill) == alone
    assert len(set(killed)) == 2 and os.getpid() not in killed


def test_workers_without_room_are_refused(options):
    for more in ({"workers": 3}, {"gpus": 0.5, "workers": 1}, {"gpus": 1.0}):
        with pytest.raises(ZplusError, match="The cluster has no room"):
            Cluster(options, 2, 1, SILENT, **more)
