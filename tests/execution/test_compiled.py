"""The mode that users get: compiled, and in bfloat16, which processors without it emulate, beside eager fp32."""

from dataclasses import replace

import pytest
import torch
from torch._dynamo.utils import counters
from torch.testing import assert_close

from compiling import TORCHS_OWN_WARNINGS
from inverting import solved
from networks import random_lpips
from p_plus import SPACES
from tiny import TINY, tiny_mobile, tiny_stylegan2
from zplus.direction import Direction
from zplus.editing import Editor
from zplus.execution import EAGER, Execution, Renderer, compiler
from zplus.generators import State
from zplus.inversion.objective import Distance
from zplus.inversion.settings import Settings
from zplus.spaces import make_space, render

COMPILED, HALF = Execution("float32", True), Execution("bfloat16", False)
pytestmark = TORCHS_OWN_WARNINGS
SETTINGS = Settings(steps=4, lpips_size=32, candidates=2)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, tmp_path_factory):
    """Nothing compiled yet, nothing gone wrong; compiled code is kept for all tests of a run."""
    monkeypatch.setattr(compiler, "_trouble", None)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "compiled"))
    torch._dynamo.reset()
    counters.clear()


def compiles() -> int:
    return counters["stats"]["unique_graphs"]


def photo(generator, seed: int = 5) -> torch.Tensor:
    space = make_space("w", generator)
    return generator.synthesize(space.decode(space.sample(1, seed))).clamp(-1, 1)


@pytest.mark.parametrize("kind", TINY)
def test_compiled_pictures_and_gradients_are_those_of_eager_ones(kind):
    generator = TINY[kind]()
    space, found = make_space("f/w+", generator), {}
    code = space.sample(2)
    for mode in (EAGER, COMPILED):
        moving = code.clone().requires_grad_()
        image = Renderer(space, mode)(space.inputs(moving), State(*map(_halved, space.head(code))))
        image.square().sum().backward()
        found[mode] = image.detach(), moving.grad
    assert compiles() == 1
    assert_close(found[COMPILED][0], found[EAGER][0], atol=1e-5, rtol=1e-5)
    assert_close(found[COMPILED][1], found[EAGER][1], atol=1e-4, rtol=1e-4)


def _halved(x: torch.Tensor | None) -> torch.Tensor | None:
    return None if x is None else x / 2


def test_all_spaces_share_what_is_compiled():
    generator = tiny_mobile()
    for name in SPACES:
        space = make_space(name, generator)
        Renderer(space, COMPILED)(space.inputs(space.sample(1).requires_grad_()), None).sum().backward()
    assert compiles() <= 2


def test_another_generator_of_the_same_sizes_shows_its_own_pictures():
    for seed in (0, 1):
        generator = tiny_mobile(seed)
        space = make_space("w+", generator)
        with torch.no_grad():
            image = Renderer(space, COMPILED)(space.inputs(space.sample(1)), None)
        assert_close(image, generator.synthesize(space.decode(space.sample(1))), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["skip", "mobile"])
def test_an_inversion_takes_the_same_steps(kind):
    generator, losses = TINY[kind](), {}
    for mode in (EAGER, COMPILED):
        space, seen = make_space("f/w+", generator), []
        record = seen.append
        latent = solved(
            space,
            photo(generator),
            random_lpips("vgg"),
            SETTINGS,
            callback=lambda p, keep=record: keep(p.loss),
            execution=mode,
        )
        assert latent.mode["compiled"] is mode.compiled
        losses[mode] = torch.stack(seen)
    assert_close(losses[COMPILED], losses[EAGER], rtol=0.02, atol=1e-4)
    assert losses[EAGER][-1] < losses[EAGER][1]  # from the first step that moves F on


def test_an_editor_shows_the_same_edit():
    generator = tiny_stylegan2()
    space = make_space("f/z+", generator)
    latent = solved(space, photo(generator), random_lpips("vgg"), SETTINGS)
    vector = make_space("w", generator).sample(1, 7)[0]
    direction = Direction("bend", "w", vector, generator.mapping_fingerprint)
    editor = Editor(generator, latent, COMPILED)
    edited = editor.edit({direction: 0.3})
    assert_close(editor.image(edited), render(generator, edited), atol=1e-5, rtol=1e-5)
    assert (editor.image(edited) - editor.image(latent)).abs().max() > 0.01


@pytest.mark.parametrize("kind", TINY)
def test_bfloat16_stays_near_and_leaves_colours_alone(kind):
    """Convolutions round to 8 bits; colours added up in bfloat16 would lie on its grid, steps of 1/128 near white."""
    generator = TINY[kind]()
    space = make_space("w+", generator)
    code = space.sample(4)
    with torch.no_grad():
        half = Renderer(space, HALF)(space.inputs(code), None)
    exact = generator.synthesize(space.decode(code))
    assert half.dtype == torch.float32
    assert 1e-5 < (half - exact).square().mean().sqrt() < 0.01 * exact.std()
    assert (half.bfloat16().float() == half).float().mean() < 0.1


def test_losses_are_in_fp32():
    target = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    lpips, settings = random_lpips("vgg"), replace(SETTINGS, lpips_weight=0.0)
    near = target + 1e-3
    wanted = (near - target).square().mean()
    assert_close(Distance(target, lpips, settings, HALF)(near)[0], wanted, rtol=1e-4, atol=0)
