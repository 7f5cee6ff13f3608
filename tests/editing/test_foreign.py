"""Directions of other programs, in the files that they write."""

import pickle

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from points import generator_of
from zplus.editing import read_directions
from zplus.errors import LatentError
from zplus.spaces import make_space


@pytest.fixture
def generator():
    return generator_of("skip")


def write(path, value):
    """As numpy or torch.save do, by the suffix."""
    if path.suffix == ".pt":
        torch.save(value, path)
    elif path.suffix == ".npz":
        np.savez(path, **value)
    else:
        np.save(path, value)
    return path


@pytest.mark.parametrize("shape", [(16,), (1, 16), (1, 1, 16)])
@pytest.mark.parametrize("space", ["z", "w"])
def test_one_vector_moves_by_one_deviation_of_the_prior(generator, tmp_path, shape, space):
    vector = np.random.RandomState(0).standard_normal(shape)
    (found,), notes = read_directions(generator, write(tmp_path / "boundary_Smiling.npy", vector), space)
    assert (found.name, found.space, notes) == ("boundary_Smiling", space, [])
    codes = make_space(space, generator).sample(5000, seed=8)[:, 0]
    axis = torch.from_numpy(vector.reshape(16) / np.linalg.norm(vector)).float()
    assert_close(found.vector[0] / found.unit, axis)
    assert found.unit == pytest.approx(float((codes @ axis).std()), rel=0.05)


@pytest.mark.parametrize(("rows", "said"), [(8, False), (18, True)])
def test_rows_for_more_codes_are_cut_off_aloud(generator, tmp_path, rows, said):
    vector = torch.randn(1, rows, 16)
    (found,), notes = read_directions(generator, write(tmp_path / "pose.pt", vector), "w")
    assert found.space == "w+" and found.vector.shape == (8, 16)
    assert_close(found.vector / found.vector.norm(), vector[0, :8] / vector[0, :8].norm())
    assert bool(notes) == said and all("the first of 18" in x for x in notes)


@pytest.mark.parametrize("shape", [(1, 8 * 16), (18 * 16,)])
def test_rows_that_lie_in_a_row(generator, tmp_path, shape):
    """As in StyleFeatureEditor's files, which are (1, 18 * 512)."""
    flat = torch.randn(shape)
    (found,), notes = read_directions(generator, write(tmp_path / "age.pt", flat), "w")
    rows = flat.reshape(-1, 16)[:8]
    assert (found.space, len(notes)) == ("w+", shape == (18 * 16,))
    assert_close(found.vector / found.vector.norm(), rows / rows.norm())


@pytest.mark.parametrize(("suffix", "names"), [(".npz", ("lat_comp", "lat_stdev")), (".pt", ("comp", "std"))])
def test_components_keep_their_deviations(generator, tmp_path, suffix, names):
    axes, deviations = torch.randn(3, 1, 16), torch.tensor([3.0, 2.0, 1.0])
    axes /= axes.norm(dim=2, keepdim=True)
    pair = dict(zip(names, (axes, deviations), strict=True))
    value = pair if suffix == ".pt" else {name: x.numpy() for name, x in pair.items()}
    found, _ = read_directions(generator, write(tmp_path / f"pca{suffix}", value), "w")
    assert [x.name for x in found] == ["pca-00", "pca-01", "pca-02"]
    assert [x.unit for x in found] == pytest.approx([3, 2, 1], rel=1e-5)


@pytest.mark.parametrize("shape", [(15,), (3, 16), (3 * 16,), (8 * 15,), (0,), (2, 8, 16), (0, 16), ()])
def test_shapes_that_fit_nothing(generator, tmp_path, shape):
    with pytest.raises(LatentError, match=r"holds \(|zero"):
        read_directions(generator, write(tmp_path / "a.npy", np.ones(shape)), "w")


def test_what_is_refused(generator, tmp_path):
    pickled = np.array([{"a": 1}], dtype=object)
    np.save(tmp_path / "object.npy", pickled, allow_pickle=True)
    with (tmp_path / "ganspace.pkl").open("wb") as file:  # as GANSpace saves a direction
        pickle.dump({"lat_comp": np.ones((1, 16), np.float32), "lat_stdev": 2.0}, file)
    zero, two = np.zeros((1, 16)), {"a": np.ones(16), "b": np.ones(16)}
    for path, words in (
        (tmp_path / "object.npy", "holds objects"),
        (tmp_path / "ganspace.pkl", r"is a pickle.* as \.npy"),
        (write(tmp_path / "zero.npy", zero), "is zero"),
        (write(tmp_path / "two.npz", two), "one direction or components"),
        (write(tmp_path / "nan.npy", zero * np.nan), "finite"),
        (write(tmp_path / "int.npy", np.ones((1, 16), int)), "floating"),
        (tmp_path / "none.npy", "no file"),
    ):
        with pytest.raises(LatentError, match=words):
            read_directions(generator, path, "w")
    with pytest.raises(LatentError, match=r"a direction of .* in s is"):
        read_directions(generator, write(tmp_path / "one.npy", np.ones((1, 16))), "s")
