"""The nodes of ComfyUI, called as it calls them: found by name, in inference mode, with keywords, a tuple out."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import zplus
from command_line import ASTRONAUT, needs_faces
from networks import random_lpips
from tiny import tiny_stylegan2
from zplus.editing.builtin import builtin_directions

FOLDER = Path(__file__).parents[1] / "integrations" / "comfyui"
KINDS = {"IMAGE": torch.Tensor, "ZPLUS_GENERATOR": zplus.Generator, "ZPLUS_LATENT": zplus.Latent, "ZPLUS_FACES": list,
         "STRING": str}  # fmt: skip


@pytest.fixture
def comfy(tmp_path, monkeypatch):
    """The two modules of ComfyUI that nodes ask, and its mode. Steps that a progress bar was told are in `steps`."""
    paths, utils = ModuleType("folder_paths"), ModuleType("comfy.utils")
    paths.get_output_directory = lambda: str(tmp_path / "output")
    utils.steps = []

    class ProgressBar:
        def __init__(self, total):
            pass

        def update_absolute(self, value, total=None):
            utils.steps.append((value, total))

    utils.ProgressBar = ProgressBar
    for name, module in (("folder_paths", paths), ("comfy", ModuleType("comfy")), ("comfy.utils", utils)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("zplus.inversion.methods.shared_lpips", lambda device: random_lpips("vgg").to(device))
    monkeypatch.setenv("ZPLUS_EAGER", "1")
    builtin_directions.cache_clear()
    with torch.inference_mode():
        yield utils
    builtin_directions.cache_clear()


@pytest.fixture
def package():
    """The folder as ComfyUI imports it."""
    name = str(FOLDER).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, FOLDER / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    for imported in (name, f"{name}.nodes"):
        del sys.modules[imported]


@pytest.fixture
def call(comfy, package):
    """Runs a node: what is not given has its default, and every value is one that ComfyUI's validation lets through."""

    def run(name, /, **given):
        node = package.NODE_CLASS_MAPPINGS[name]
        inputs = node.INPUT_TYPES()
        known = {**inputs["required"], **inputs.get("optional", {})}
        assert given.keys() <= known.keys()
        for key, (kind, *rest) in inputs["required"].items():
            if key not in given:
                given[key] = rest[0]["default"]
            if isinstance(kind, list):
                assert given[key] in kind
            if rest and "min" in rest[0]:
                assert rest[0]["min"] <= given[key] <= rest[0]["max"]
        found = getattr(node(), node.FUNCTION)(**given)
        assert isinstance(found, tuple) and len(found) == len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        assert all(isinstance(x, KINDS[kind]) for x, kind in zip(found, node.RETURN_TYPES, strict=True))
        return found

    return run


def is_image(image, *shape):
    return image.dtype == torch.float32 and tuple(image.shape) == shape and 0 <= image.min() <= image.max() <= 1


@pytest.fixture
def tiny(call, tmp_path):
    tiny_stylegan2().save_pretrained(tmp_path / "tiny")
    return call("ZplusLoadGenerator", path=f"{tmp_path / 'tiny'} ")[0]


@pytest.fixture
def photos():
    """An IMAGE of two photos of 40 x 60, the second with a bright half."""
    image = torch.from_numpy(np.random.RandomState(0).rand(2, 40, 60, 3).astype(np.float32))
    image[1, :, 30:] = 1
    return image


def inverted(call, generator, image, **options):
    return call("ZplusInvert", generator=generator, image=image, align=False, steps=2, **options)


def test_every_node_is_described(comfy, package):
    nodes = package.NODE_CLASS_MAPPINGS
    assert nodes.keys() == package.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in nodes.values():
        assert node.CATEGORY == "zplus" and callable(getattr(node, node.FUNCTION))
        assert set(node.INPUT_TYPES()) <= {"required", "optional"}


def test_every_direction_has_a_slider_of_its_range(comfy, package):
    inputs = package.NODE_CLASS_MAPPINGS["ZplusEdit"].INPUT_TYPES()["required"]
    assert set(inputs) == {"generator", "latent", *(x.name for x in builtin_directions())}
    for direction in builtin_directions():
        kind, told = inputs[direction.name]
        assert (kind, told["display"], told["default"]) == ("FLOAT", "slider", 0.0)
        assert (told["min"], told["max"]) == (direction.range or (-1.5, 1.5))
        assert not direction.vector.is_inference()


def test_an_image_goes_through_all_nodes(call, comfy, tiny, photos, tmp_path):
    latent, faces, reconstruction = inverted(call, tiny, photos)
    assert len(latent) == len(faces) == 2 and is_image(reconstruction, 2, 32, 32, 3)
    assert comfy.steps == [(1, 2), (2, 2)]
    (same,) = call("ZplusPasteBack", generator=tiny, latent=latent, faces=faces)
    assert torch.equal(same, (photos * 255).round() / 255)
    vector = torch.from_numpy(np.random.RandomState(0).standard_normal((1, 16))).float()
    file = tmp_path / "bend.safetensors"
    zplus.save_direction(zplus.Direction("bend", "w", vector, tiny.mapping_fingerprint), file)
    edited, image = call("ZplusEdit", generator=tiny, latent=latent, direction_file=str(file), direction_strength=2.0)
    expected = zplus.render(tiny, zplus.edit(tiny, latent, {str(file): 2.0}))
    assert torch.allclose(image.movedim(-1, 1) * 2 - 1, expected, atol=1 / 127)
    (pasted,) = call("ZplusPasteBack", generator=tiny, latent=edited, faces=faces)
    assert is_image(pasted, 2, 40, 60, 3) and (pasted - same)[:, 5:35, 15:45].abs().mean() > 0.01
    assert torch.equal(pasted[:, :, :9], same[:, :, :9])  # beside the square that was inverted


def test_a_slider_moves_a_face(call):
    (generator,) = call("ZplusLoadGenerator", model="avatars64")
    with torch.inference_mode(False):
        latent = zplus.sample(generator, 2, seed=1)
    with pytest.raises(zplus.ZplusError, match="no file of a direction"):  # nor does it take a slider's place
        call("ZplusEdit", generator=generator, latent=latent, direction_file="long_hair", long_hair=1.0)
    edited, image = call("ZplusEdit", generator=generator, latent=latent, long_hair=1.0)
    assert [(one.direction.name, one.strength) for one in edited.edits] == [("long_hair", 1.0)]
    still, before = call("ZplusEdit", generator=generator, latent=latent)
    assert still.edits == () and is_image(image, 2, 64, 64, 3) and (image - before).abs().mean() > 0.01
    with pytest.raises(zplus.ZplusError, match="smile"):
        call("ZplusEdit", generator=generator, latent=latent, smile=1.0)


def test_what_comes_out_can_be_inverted_from(call, tiny, photos):
    """Nothing that a node gives is an inference tensor."""
    latent, _, reconstruction = inverted(call, tiny, photos, space="w+")
    assert not any(x.is_inference() for x in (reconstruction, latent.inverted.code, *tiny.parameters()))
    assert len(inverted(call, tiny, reconstruction)[0]) == 2


def test_latents_are_kept_in_their_folder_alone(call, comfy, package, tiny, tmp_path):
    with torch.inference_mode(False):
        latent = zplus.sample(tiny, 1, seed=1)
    names = [call("ZplusSaveLatent", latent=latent, name="my face")[0] for _ in range(2)]
    assert names == ["my face_00001.latent.safetensors", "my face_00002.latent.safetensors"]
    assert package.NODE_CLASS_MAPPINGS["ZplusLoadLatent"].INPUT_TYPES()["required"]["name"][0] == names
    (loaded,) = call("ZplusLoadLatent", name=names[1])
    assert torch.equal(loaded.inverted.code, latent.inverted.code)
    for name in ("../x", "/tmp/x", "a/b", "", ".x", "x" * 200):
        with pytest.raises(zplus.ZplusError, match="no name for a latent"):
            call("ZplusSaveLatent", latent=latent, name=name)
    zplus.save_latent(latent, tmp_path / "x.latent.safetensors")
    with pytest.raises(zplus.ZplusError, match="not in the folder"):
        package.NODE_CLASS_MAPPINGS["ZplusLoadLatent"]().load(name="../../x.latent.safetensors")
    assert sorted(path.name for path in (tmp_path / "output" / "zplus").iterdir()) == names


def test_latents_of_another_batch_are_refused(call, tiny, photos):
    latent, faces, _ = inverted(call, tiny, photos)
    with pytest.raises(zplus.ZplusError, match="2 latents do not fit 1 faces"):
        call("ZplusPasteBack", generator=tiny, latent=latent, faces=faces[:1])


@needs_faces
def test_the_face_of_a_photo_is_found(call, tiny):
    image = torch.from_numpy(zplus.read_image(ASTRONAUT))[None].float() / 255
    _, (face,), _ = call("ZplusInvert", generator=tiny, image=image, steps=2)
    left, top = face.quad.min(0)
    right, bottom = face.quad.max(0)
    assert left < 220 < right and top < 120 < bottom and right - left < 400  # her face is at (220, 120)


def test_the_registry_finds_what_it_asks_for():
    facts = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
    project = facts["project"]
    assert re.fullmatch(r"[a-z](?:[-_.]?[a-z0-9])*", project["name"]) and "comfyui" not in project["name"]
    assert project["version"] == zplus.__version__ and project["license"] == {"text": "Apache-2.0"}
    assert {"Repository"} <= project["urls"].keys() and {"PublisherId", "DisplayName"} <= facts["tool"]["comfy"].keys()
    extras = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    (wanted,) = project["dependencies"]
    assert set(re.findall(r"\w+", wanted)[1:]) <= extras["project"]["optional-dependencies"].keys()
