"""The names that people and programs use: commands, options, and the keys of --json. They change on purpose alone."""

from pathlib import Path

import numpy as np
import pytest
import typer

from command_line import needs_lpips
from films import folder_of, moving_frames
from zplus.command.app import app

OPTIONS = {
    "models": "--json",
    "pull": "--json",
    "convert": "--half --json --out -o",
    "export": "--format --json --label --layer --opset --out -o",
    "align": "--face --json --out --size -o",
    "invert": (
        "--address --batch --device --encoder --engine --face --gpus --json --label --layer --method --model "
        "--no-align --out --psi --seed --space --start --steps --transform --workers -o"
    ),
    "edit": (
        "--address --batch --device --direction --encoder --engine --face --feature --gpus --json --keep-identity "
        "--label --latent --layer --mask --method --model --move --no-align --no-paste --out --paste --photo --psi "
        "--seed --space --start --steps --sweep --to --transform --workers -o -d"
    ),
    "drag": (
        "--device --face --from --json --label --latent --mask --model --move --out --paste --photo --radius --steps "
        "--to -o"
    ),
    "video": (
        "--device --direction --encoder --face --frame-steps --json --label --layer --mask --model --no-align --out "
        "--paste --psi --quality --rate --seed --space --steps -o -d"
    ),
    "sample": "--device --json --label --model --out --psi --seeds --transform -o",
    "mix": "--device --json --label --latent --layers --model --out -o",
    "interpolate": "--device --frames --json --label --model --out --rate -o",
    "demo": "--device --face --json --model --out --steps -o",
    "studio": "--device --host --keep --model --no-open --port --token",
    "report": "--json --key --public --seed --survey",
    "project": (
        "--device --encoder --face --json --label --layer --method --model --no-align --out --psi --seed --space "
        "--start --steps -o"
    ),
    "bench spaces": (
        "--batch --budget --count --device --direction --distortion --encoder --json --label --model --no-align --out "
        "--pairs --photo-count --photos --seeds --space --steps --tune -o -d"
    ),
    "bench methods": (
        "--batch --budget --count --device --direction --distortion --encoder --json --label --model --no-align --out "
        "--pairs --photo-count --photos --seeds --space --steps --tune -o -d"
    ),
    "bench ablations": (
        "--batch --budget --count --device --direction --distortion --encoder --json --label --model --no-align --out "
        "--pairs --photo-count --photos --seeds --space --steps --tune -o -d"
    ),
    "bench speed": "--device --json --label --model --out --repeats -o",
    "directions list": "--json --model",
    "directions show": "--json --model",
    "directions learn": (
        "--attribute --components --device --json --label --layers --method --model --name --negative --no-align "
        "--out --positive --samples --scorer --seed --space --without -o"
    ),
    "directions import": "--attribute --device --json --label --model --name --out --samples --space -o",
    "latent import": "--json --label --model --out -o",
    "latent export": "--json --label --model --out -o",
    "train generator": (
        "--augment --batch --channel-base --channel-max --cpu --flip --gamma --holdout --json --kimg --learning-rate "
        "--out --path-length --precision --resolution --seed --snapshot-minutes --start --z-dim -o"
    ),
    "train encoder": (
        "--batch --channels --device --hidden --images --json --label --layer --learning-rate --model --out --pairs "
        "--photos --seed --snapshot-minutes --steps -o"
    ),
    "train base-code": (
        "--batch --channels --device --images --json --label --layer --learning-rate --model --out --pairs --photos "
        "--seed --snapshot-minutes --steps -o"
    ),
}
KEYS = {
    "models": "name what licence here megabytes",
    "sample": "model psi results sheet",
    "directions list": "model results",
    "export": "model format files warnings",
    "latent import": "latent space model rows warnings",
    "latent export": "codes shape warnings",
    "invert": (
        "space model method steps seconds seconds_per_step mse psnr ssim ms_ssim lpips_vgg lpips_alex "
        "identity_distance warnings photo latent reconstruction aligned quad photo_sha256 fingerprint request"
    ),
    "edit": "space model picture direction strength angle_degrees cosine scores_before scores_after warnings latent",
    "invert folder": "failed medians manifest",
    "edit all faces": "photo picture results warnings",
    "drag": "space model picture direction points distance warnings latent",
    "sweep": "space model picture direction strength warnings",
    "video": (
        "video frames edited_frames key_frame rate direction strength frame_steps seconds seconds_per_frame space "
        "model method steps mse psnr ssim ms_ssim lpips_vgg lpips_alex identity_distance warnings"
    ),
    "mix": "picture layers space latent",
    "interpolate": "out frames space",
}


def options_of(command, name=""):
    """All commands below one, with their options."""
    yield name, {text for one in command.params if one.param_type_name == "option" for text in one.opts}
    for below, one in getattr(command, "commands", {}).items():
        yield from options_of(one, f"{name} {below}".strip())


FOUND = dict(options_of(typer.main.get_command(app)))


@pytest.mark.parametrize("command", OPTIONS)
def test_options_stay(command):
    assert set(OPTIONS[command].split()) <= FOUND[command]


@pytest.fixture
def found(zplus, model, direction, photo, tmp_path, monkeypatch):
    """What the commands answer, by the names of KEYS."""
    pytest.importorskip("av", reason="pip install 'zplus[video]' first")
    for module in ("editing", "edit_faces", "film"):
        monkeypatch.setattr(f"zplus.workflow.{module}.pull_missing", lambda *asked: None)
    frames = folder_of(tmp_path / "film", moving_frames(2))
    np.save(tmp_path / "codes.npy", np.zeros((8, 16), "f4"))
    latent, out = tmp_path / "a.safetensors", tmp_path / "out.png"
    ours, edited = ["--model", model, "--json", "-o"], [latent, "--model", model, "--json", "-o", out]
    return {
        "models": zplus("models", "--json").json["results"][0],
        "sample": zplus("sample", "--seeds", "0", *ours, tmp_path / "samples").json,
        "directions list": zplus("directions", "list", "--model", model, "--json").json,
        "export": zplus("export", model, "--format", "nvidia", "--json", "-o", tmp_path / "a.pt").json,
        "latent import": zplus("latent", "import", tmp_path / "codes.npy", *ours, latent).json,
        "latent export": zplus("latent", "export", latent, *ours, tmp_path / "b.npy").json,
        "invert": zplus("invert", photo, "--no-align", *ours, tmp_path / "inverted").json,
        "invert folder": zplus("invert", photo.parent, "--no-align", *ours, tmp_path / "inverted").json,
        "edit all faces": zplus("edit", photo, "--face", "all", "--no-align", *edited[1:], "-d", direction).json,
        "edit": zplus("edit", *edited, "-d", direction, "--latent", tmp_path / "c.safetensors").json,
        "drag": zplus(
            "drag", *edited, "--from", "8,8", "--to", "9,8", "--steps", "1", "--latent", tmp_path / "e.safetensors"
        ).json,
        "sweep": zplus("edit", *edited, "--sweep", f"{direction}=0:1:2").json,
        "video": zplus("video", frames, "--no-align", "-d", direction, *ours, tmp_path / "out.mp4").json,
        "mix": zplus("mix", latent, latent, "--layers", "0:2", "--latent", tmp_path / "d.safetensors", *ours, out).json,
        "interpolate": zplus("interpolate", latent, latent, "--frames", "2", *ours, tmp_path / "frames").json,
    }


@needs_lpips
def test_keys_stay(found):
    for command, keys in KEYS.items():
        assert set(keys.split()) <= set(found[command]), command


def test_the_keys_are_explained():
    page = (Path(__file__).parents[2] / "docs" / "programs.md").read_text(encoding="utf-8")
    assert not {key for keys in KEYS.values() for key in keys.split() if f"`{key}`" not in page}
