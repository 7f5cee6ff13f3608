"""`zplus demo` on the real models, with few steps and few edits."""

import json
from dataclasses import replace

import pytest

from command_line import ASTRONAUT, leftovers
from zplus.images import read_image
from zplus.inversion.settings import PRESETS
from zplus.latent import load_latent
from zplus.workflow import showcase
from zplus.workflow.models import KNOWN, is_here

MISSING = [name for name in KNOWN if not is_here(name)]


@pytest.mark.skipif(bool(MISSING), reason=f"run 'zplus pull' first: {', '.join(MISSING)} are not here")
def test_the_main_show(zplus, tmp_path, monkeypatch):
    for name in ("default", "hybrid"):
        monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], candidates=1))
    monkeypatch.setattr(showcase, "SINGLES", (("smile",), ("yaw",)))
    monkeypatch.setattr(showcase, "PAIRS", ((0, 1),))
    monkeypatch.setattr(showcase, "STRIP", (0.0, 1.0))
    result = zplus("demo", ASTRONAUT, "-o", tmp_path / "demo", "--steps", "2", "--json")
    assert result.code == 0, result.err
    report = json.loads((tmp_path / "demo" / "report.json").read_text(encoding="utf-8"))
    assert result.json == report
    assert [edit["direction"] for edit in report["edits"]] == [["smile"], ["yaw"], ["smile", "yaw"]]
    assert report["edits"][0]["strength"] == [-showcase.STRENGTHS["smile"]], "she smiles, so the demo shows less of it"
    assert {"total", "first picture", "first preview", "Inverting"} <= set(report["seconds"])
    assert report["licence"].startswith("non-commercial use") and report["inversion"]["lpips_vgg"] > 0
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    pasted = {name for name in names if name.startswith("photo_")}
    assert len(pasted) == 3 and names - pasted == {
        "aligned.png", "gallery.html", "latent.safetensors", "reconstruction.png", "report.json", "sheet.png"
    }  # fmt: skip
    assert load_latent(tmp_path / "demo" / "latent.safetensors").space == "f/z+"
    assert all(read_image(tmp_path / "demo" / name).shape == (512, 512, 3) for name in pasted)
    assert not leftovers(tmp_path)
