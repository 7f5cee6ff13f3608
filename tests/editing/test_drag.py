"""Points that are dragged: they come nearer, what may not move stays, and a drag is an edit like any other."""

from dataclasses import replace
from importlib import import_module

import pytest
import torch

from points import direction_of, generator_of, latent_at, normal
from zplus.editing import drag, edit
from zplus.errors import ZplusError
from zplus.generators import load_generator
from zplus.latent import Point, load_latent, save_latent
from zplus.spaces import latent_of, make_space, render, sample

dragging = import_module("zplus.editing.drag")  # the package shows the function of this name
PAIR = (16.0, 14.0, 19.0, 14.0)
SPACES = ["z+", "w+", "s", "f/z+", "f/w+", "f/s"]


def latent(architecture, name, n=1):
    generator = generator_of(architecture)
    return generator, latent_at(make_space(name, generator), n=n)


def goal_of(generator, before, pair=PAIR, free=None):
    course = dragging._Course(generator, before)
    return course, dragging._Goal(course, [pair], free, None)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("architecture", ["skip", "mobile"])
def test_the_picture_that_is_told_is_the_picture_of_the_edit(architecture, name):
    generator, before = latent(architecture, name)
    before = edit(generator, before, {direction_of(generator): 0.5})
    told = []
    after = drag(generator, before, [PAIR], steps=1, callback=lambda d: told.append(d.picture()))
    assert torch.allclose(render(generator, after), told[0], atol=2e-3)
    assert (render(generator, after) - render(generator, before)).abs().max() > 0.01
    assert after.space == before.space and torch.equal(after.inverted.code, before.inverted.code)


@pytest.mark.parametrize("name", ["z+", "w+", "f/z+"])
@pytest.mark.parametrize("move", ["straight", "sphere"])
def test_codes_up_to_f_move_and_the_others_stay(name, move):
    generator, before = latent("skip", name)
    after = drag(generator, before, [PAIR], steps=2, move=move)
    vector = after.edits[0].direction.vector
    last = generator.layers[make_space("f/z+", generator).layer].code
    assert vector[: last + 1].norm(dim=1).min() > 0 and vector[last + 1 :].abs().max() < 1e-5
    spherical = move == "sphere" and name != "w+"
    assert after.move == move and after.edits[0].direction.space == ("z+" if spherical else "w+")
    if spherical:
        assert torch.allclose(after.edited.code.square().mean(-1), torch.ones(1), atol=1e-4)


def test_a_code_of_z_plus_moves_on_its_sphere_also_where_edits_are_straight():
    generator, plain = latent("skip", "f/z+")
    before = edit(generator, plain, {direction_of(generator): 0.5})
    course = dragging._Course(generator, before)
    course.step(normal(*course.code.shape), 0.5)
    z = course.code.detach()
    moved = (z - plain.inverted.code).norm()
    assert course.chart.kind == "z+" and course.space.kind == "w+" and float(moved) == pytest.approx(0.5, rel=0.01)
    assert torch.allclose(z.square().mean(-1), torch.ones(1), atol=1e-4)
    wanted = before.edited.code + generator.map(z) - generator.map(plain.inverted.code)
    assert torch.allclose(course.point().code.detach(), wanted, atol=1e-5)


def test_a_known_shift_is_recovered(monkeypatch):
    """A feature map that shifts with a code: a drag by 3 cells finds the code that shifts it by 3 cells."""
    generator, before = latent("skip", "w+")
    side, plane = 32, torch.nn.functional.interpolate(normal(1, 8, 8, 8), (32, 32), mode="bicubic")
    centres = torch.arange(side) + 0.5

    def features(course):
        x, y = (course.code - before.inverted.code)[0, 0, :2]
        grid = torch.stack(torch.meshgrid(centres - x, centres - y, indexing="xy"), -1)[None] * (2 / side) - 1
        return torch.nn.functional.grid_sample(plane, grid, padding_mode="border", align_corners=False)

    monkeypatch.setattr(dragging._Course, "features", features)
    monkeypatch.setattr(dragging, "KEPT", 0.0)
    after = drag(generator, before, [(14.5, 15.5, 17.5, 15.5)], steps=60)
    x, y = after.edits[0].direction.vector[0, :2].tolist()
    assert x == pytest.approx(3, abs=0.4) and abs(y) < 0.4
    assert after.edits[0].direction.card["distance"] < 0.3


def test_what_lies_outside_the_mask_stays():
    generator, before = latent("skip", "w+")
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :16] = 1
    pair = (8.0, 14.0, 11.0, 14.0)
    held, loose = (drag(generator, before, [pair], mask=x, steps=6) for x in (mask, None))
    picture = render(generator, before)
    fixed, free = (((render(generator, x) - picture).abs() * (1 - mask)).mean() for x in (held, loose))
    assert fixed < 0.7 * free


def test_the_mask_weighs_the_cells_of_the_map():
    generator, before = latent("skip", "w+")
    mask = torch.ones(1, 1, 64, 64)
    mask[..., 32:, :] = 0
    course, goal = goal_of(generator, before, free=mask)
    first = course.features().detach()
    above, below = first.clone(), first.clone()
    above[..., 4, 4] += 1
    below[..., 28, 4] += 1
    base = goal.loss(first)
    mean = dragging.COMPLEXION / 1024  # of the picture's features, which a change of one cell moves as well
    assert float(goal.loss(below) - base) == pytest.approx(21 / 1024 + mean, rel=1e-3)
    assert float(goal.loss(above) - base) == pytest.approx(1 / 1024 + mean, rel=1e-2)


def test_another_light_costs_more_than_shapes_that_move():
    """Features that are rolled keep their means; the same change in one direction everywhere does not."""
    generator, before = latent("skip", "w+")
    course, goal = goal_of(generator, before)
    first = course.features().detach()
    rolled = first.roll(5, dims=3)
    lighter = first + (rolled - first).abs().mean()
    handles = goal.points.loss(rolled) - goal.points.loss(lighter)
    assert float(goal.loss(lighter) - goal.loss(rolled) + handles) == pytest.approx(
        float(dragging.COMPLEXION * (rolled - first).abs().mean()), rel=1e-3
    )


def test_a_face_follows():
    """A drawn face's point comes to its target."""
    generator = load_generator("avatars64")
    code = sample(generator, 1, seed=3).inverted.code.expand(-1, generator.num_codes, -1)
    before = latent_of(make_space("z+", generator), Point(code))
    told = []
    drag(generator, before, [(32.0, 36.0, 37.0, 36.0)], steps=8, callback=lambda d: told.append(d.distance))
    assert min(told) < 2


def test_it_ends_when_handles_come_no_nearer(monkeypatch):
    generator, before = latent("skip", "w+")
    monkeypatch.setattr(dragging.Followed, "follow", lambda points, features: None)
    steps = []
    drag(generator, before, [PAIR], callback=lambda d: steps.append(d.step))
    assert steps[-1] == dragging.PATIENCE + 1


def test_it_ends_when_it_is_there_or_is_stopped():
    generator, before = latent("skip", "w+")
    steps = []

    def until_third(dragged):
        steps.append(dragged.step)
        assert dragged.steps == 9 and dragged.handles.shape == (2, 2) and dragged.distance > 0
        return dragged.step == 3

    after = drag(generator, before, [PAIR, (4.0, 4.0, 9.0, 9.0)], steps=9, callback=until_third)
    assert steps == [1, 2, 3] and len(after.edits) == 1
    near = (16.0, 14.0, 16.05, 14.0)
    assert drag(generator, before, [near], callback=lambda d: steps.append(d.step)) and steps[3:] == [1]


def test_what_the_callback_raises_ends_the_work():
    generator, before = latent("skip", "w+")

    def fail(dragged):
        raise KeyError(dragged.step)

    with pytest.raises(KeyError, match="1"):
        drag(generator, before, [PAIR], callback=fail)


def test_the_nearest_of_all_steps_is_kept(monkeypatch):
    generator, before = latent("skip", "w+")
    codes, distances = [], iter([5.0, 4.0, 2.0, 3.0, 6.0])
    monkeypatch.setattr(dragging._Goal, "distance", property(lambda goal: current[0]))
    current = [9.0]
    monkeypatch.setattr(dragging.Followed, "follow", lambda points, features: current.__setitem__(0, next(distances)))
    after = drag(generator, before, [PAIR], steps=5, callback=lambda d: codes.append(d.picture()))
    assert torch.allclose(render(generator, after), codes[2], atol=2e-3)
    assert not torch.allclose(render(generator, after), codes[4], atol=2e-3)
    assert after.edits[0].direction.card == {"method": "drag", "points": [list(PAIR)], "distance": 2.0}


@pytest.mark.parametrize("name", ["z+", "w+", "s", "f/z+"])
def test_it_is_an_edit_like_any_other(name, tmp_path):
    generator, plain = latent("skip", name)
    direction = direction_of(generator)
    before = edit(generator, plain, {direction: 1.0})
    once = drag(generator, before, [PAIR], steps=2)
    twice = drag(generator, once, [PAIR], steps=2)
    assert sorted(one.direction.name for one in twice.edits) == ["drag", "drag-2", "w-7"]
    save_latent(twice, tmp_path / "a.safetensors")
    assert torch.equal(render(generator, load_latent(tmp_path / "a.safetensors")), render(generator, twice))
    later = edit(generator, twice, {direction: 1.0})
    assert len(later.edits) == 3 and not torch.equal(render(generator, later), render(generator, twice))
    back = edit(generator, later, {direction: -1.0})
    back = edit(generator, back, {x.direction: -1.0 for x in back.edits if x.direction.name == "drag-2"})
    assert torch.equal(render(generator, back), render(generator, once))
    back = edit(generator, back, {x.direction: -1.0 for x in back.edits if x.direction.name == "drag"})
    assert torch.equal(render(generator, back), render(generator, before))
    assert torch.equal(render(generator, edit(generator, back, {direction: -1.0})), render(generator, plain))


def test_f_follows_or_nothing_can_be_dragged():
    generator, before = latent("skip", "f/z+")
    moved = drag(generator, before, [PAIR], steps=2)
    assert not torch.equal(moved.edited.state.features, before.inverted.state.features)
    with pytest.raises(ZplusError, match="F is fixed"):
        drag(generator, replace(before, feature="fixed"), [PAIR], steps=2)


@pytest.mark.parametrize("name", ["z+", "f/w+"])
def test_a_drag_of_a_masked_latent_shows_under_its_mask(name):
    generator, plain = latent("skip", name)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:] = 1
    before, told = edit(generator, plain, {direction_of(generator): 0.5}, mask=mask), []
    after = drag(generator, before, [PAIR], steps=1, callback=lambda d: told.append(d.picture()))
    assert torch.allclose(render(generator, after), told[0], atol=2e-3)
    assert torch.equal(told[0][..., :7], render(generator, plain)[..., :7])
    assert (told[0] - render(generator, before)).abs().max() > 0.01
    with pytest.raises(ZplusError, match="lets nothing move"):
        drag(generator, before, [(4.0, 14.0, 8.0, 14.0)])


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], "No point"),
        ([(16.0, 14.0, 33.0, 14.0)], "do not lie in the picture of 32x32"),
        ([(-1.0, 14.0, 3.0, 14.0)], "do not lie in the picture"),
        ([(float("nan"), 14.0, 3.0, 14.0)], "do not lie in the picture"),
        ([PAIR, (8.0, 9.0, 8.0, 9.0)], "8, 9 is its own target"),
    ],
)
def test_points_that_cannot_be_dragged(pairs, words):
    generator, before = latent("skip", "w+")
    with pytest.raises(ZplusError, match=words):
        drag(generator, before, pairs)


def test_what_cannot_be_dragged():
    generator, before = latent("skip", "f/z+")
    added = {generator.layers[0].name: torch.zeros(1, 8, 4, 4)}
    for other in (latent("skip", "w")[1], latent("skip", "z")[1], latent("skip", "w+", 2)[1]):
        with pytest.raises(ZplusError, match="a code per layer"):
            drag(generator, other, [PAIR])
    with pytest.raises(ZplusError, match="a code per layer"):
        drag(generator, replace(before, added=added), [PAIR])
    for wrong in ({"steps": 0}, {"radius": 0.0}, {"radius": float("nan")}):
        with pytest.raises(ZplusError, match="must be positive"):
            drag(generator, before, [PAIR], **wrong)
    with pytest.raises(ZplusError, match="The mask is"):
        drag(generator, before, [PAIR], mask=torch.zeros(3, 3))
    with pytest.raises(ZplusError, match="lets nothing move"):
        drag(generator, before, [PAIR], mask=torch.zeros(1, 1, 8, 8))
