"""What every finder of directions must keep to. A new finder is one row of FOUND here, and nothing else."""

from dataclasses import fields, replace

import pytest
from torch.testing import assert_close

from points import direction_of, generator_of
from zplus.editing import FINDERS, Examples, Search
from zplus.editing import scored as scoring
from zplus.editing.scored import Scored, codes_in
from zplus.errors import ZplusError
from zplus.spaces import make_space

FOUND = {"boundary": 1, "channel": 1, "principal": 3, "factorize": 3, "examples": 1}  # how many, where count is 3
CASES = [(method, space) for method, finder in FINDERS.items() for space in finder.spaces]
LAYERS = (1, 3)

every_case = pytest.mark.parametrize(("method", "space"), CASES)
by_layers = pytest.mark.parametrize(("method", "space"), [x for x in CASES if "layers" in FINDERS[x[0]].reads])
by_scores = pytest.mark.parametrize(("method", "space"), [x for x in CASES if "scored" in FINDERS[x[0]].needs])
every_method = pytest.mark.parametrize("method", FINDERS)


@pytest.fixture(scope="module", params=["skip", "mobile"])
def generator(request):
    return generator_of(request.param)


@pytest.fixture
def everything(generator, monkeypatch):
    """A value for every field of a Search of a space; the score is one number of its code."""
    monkeypatch.setattr(scoring, "scoring_pixels", lambda space, code: code)
    z, w = (make_space(kind, generator).sample(600, seed=3)[:, 0] for kind in "zw")
    order = w[:, 0].argsort()

    def make(space: str) -> dict:
        codes = codes_in(make_space(space, generator), z)
        scored = Scored(z, {"a": worth(codes).double().numpy()}, lambda code: {"a": float(worth(code).mean())})
        return {
            "name": "mine",
            "attribute": "a",
            "scored": scored,
            "examples": Examples(w[order[-30:]], w[order[:30]]),
            "space": space,
            "fraction": 0.25,
            "layers": LAYERS,
            "conditioned_on": (direction_of(generator, space),),
            "count": 3,
            "seed": 4,
        }

    return make


@pytest.fixture
def needed(everything):
    """A Search with what a method needs and no more, in one of its spaces."""
    return lambda method, space: search_of(everything(space), FINDERS[method].needs | {"space"})


def worth(code):
    """The score of a code: one of its numbers, in S one that the codes of LAYERS decide."""
    return code[..., 24 % code.shape[-1]]


def search_of(values: dict, names) -> Search:
    return Search(**{name: values[name] for name in names})


def test_every_finder_has_a_row_and_the_harness_knows_every_field(everything):
    assert FOUND.keys() == FINDERS.keys()
    assert set(everything("w")) == {x.name for x in fields(Search)}


@every_case
def test_what_is_found_belongs_to_the_generator(method, space, generator, needed):
    found = FINDERS[method](generator, needed(method, space))
    assert len(found) == FOUND[method] and len({x.name for x in found}) == len(found)
    for one in found:
        where = make_space(one.space, generator)
        assert one.space == space and one.belongs_to == where.required_fingerprint
        assert one.vector.shape[0] in (1, generator.num_codes) and one.vector.shape[1] == where.dim
        assert one.vector.isfinite().all() and one.unit > 0
        assert one.card["method"] == method and one.card["model"] == generator.name


@every_case
def test_all_that_is_read_may_be_given_at_once(method, space, generator, everything):
    finder = FINDERS[method]
    found = finder(generator, search_of(everything(space), finder.needs | finder.reads | {"space"}))
    assert len(found) == FOUND[method]


@every_case
def test_the_same_search_finds_the_same(method, space, generator, needed):
    first, second = (FINDERS[method](generator, needed(method, space)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert (a.name, a.space, a.card) == (b.name, b.space, b.card)
        assert_close(a.vector, b.vector, atol=1e-4 * a.unit, rtol=0)


@by_layers
def test_layers_restrict_it_to_these_codes(method, space, generator, needed):
    for one in FINDERS[method](generator, replace(needed(method, space), layers=LAYERS)):
        moves = make_space(one.space, generator).layer_mask(LAYERS)[0]
        assert (one.vector * ~moves == 0).all() and (one.vector * moves != 0).any()
        assert one.card["layers"] == list(LAYERS)


@by_scores
def test_moving_along_raises_the_score_by_one_deviation(method, space, generator, needed):
    search = needed(method, space)
    (found,) = FINDERS[method](generator, search)
    where = make_space(found.space, generator)
    codes = where.sample(200, seed=9)  # others than those on which the unit was measured
    change = worth(where.move(codes, found.vector.expand_as(codes))) - worth(codes)
    assert 0.5 < change.mean() / search.scored.scores["a"].std() < 1.2  # on a sphere it is an arc, and shorter


@every_method
def test_what_is_not_read_is_refused(method, generator, everything, needed):
    finder, home = FINDERS[method], FINDERS[method].spaces[0]
    unread = everything(home).keys() - finder.needs - finder.reads - {"space"}
    assert unread
    for name in unread:
        with pytest.raises(ZplusError, match=f"Leave out {name}: "):
            finder(generator, replace(needed(method, home), **{name: everything(home)[name]}))
    with pytest.raises(ZplusError, match="Leave out space: "):
        finder(generator, replace(needed(method, home), space="z+"))


@every_method
def test_what_it_needs_must_be_given(method, generator, everything):
    finder, home = FINDERS[method], FINDERS[method].spaces[0]
    for name in finder.needs:
        with pytest.raises(ZplusError, match=f"Give {name}: "):
            finder(generator, search_of(everything(home), finder.needs - {name}))


def test_a_fraction_that_is_none():
    for fraction in (0.0, -0.1, 0.6):
        with pytest.raises(ZplusError, match="must lie above 0"):
            Search(fraction=fraction)
