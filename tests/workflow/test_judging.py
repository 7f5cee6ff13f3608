"""What is said of a reconstruction or an edit, and of which pictures faces are spoken of at all."""

import numpy as np
import pytest
import torch

from command_line import ASTRONAUT, needs_faces
from tiny import tiny_stylegan2
from zplus.faces.align import align
from zplus.generators import load_generator
from zplus.images import read_image, to_tensor
from zplus.perception.identity import Identity
from zplus.spaces import make_space
from zplus.workflow import judging
from zplus.workflow.callbacks import SILENT
from zplus.workflow.judging import face_doubts, identity_between, makes_faces, measure_scores, other_person


def no_scorers(*asked):
    raise AssertionError("the scorers were loaded")


def test_somebody_else_is_told_with_the_distance_and_its_meaning():
    assert other_person("The reconstruction", 0.59) == other_person("The reconstruction", float("nan")) == []
    (line,) = other_person("The edited picture", 0.85)
    assert line == "The edited picture may show somebody else: identity distance 0.85 (the same person below 0.6)."


@needs_faces
def test_cartoons_are_not_scored_as_faces(monkeypatch):
    monkeypatch.setattr(judging, "Scorers", no_scorers)
    generator = load_generator("avatars64")
    space = make_space("z", generator)
    with torch.inference_mode():
        image = generator.synthesize(space.decode(space.sample(1, 0)))[0]
    assert not makes_faces(generator)
    assert measure_scores(generator, [image, image], SILENT) == [None, None]


@needs_faces
def test_a_face_of_any_generator_is_scored(monkeypatch):
    monkeypatch.setattr(judging, "ATTRIBUTES", {"yaw": judging.ATTRIBUTES["yaw"]})
    face = to_tensor(align(read_image(ASTRONAUT), size=256).pixels)[0]
    (scores,) = measure_scores(tiny_stylegan2(), [face], SILENT)
    assert list(scores) == ["yaw"] and abs(scores["yaw"]) < 20


@needs_faces
def test_a_horse_gets_no_advice_about_faces(monkeypatch):
    monkeypatch.setattr(judging, "Scorers", no_scorers)
    horse = np.random.RandomState(0).randint(0, 255, (16, 16, 3)).astype(np.uint8).repeat(16, 0).repeat(16, 1)
    aligned = judging.Aligned(horse, np.array([(0, 0), (0, 256), (256, 256), (256, 0)], float), horse)
    asked = (aligned, Identity(), float("nan"))
    assert face_doubts(tiny_stylegan2(), *asked) == []
    assert measure_scores(tiny_stylegan2(), [to_tensor(horse)[0]], SILENT) == [None]
    monkeypatch.setattr(judging, "makes_faces", lambda generator: True)
    assert "No face was seen" in face_doubts(tiny_stylegan2(), *asked)[0]


@needs_faces
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_person_is_near_to_herself(mirrored):
    face = align(read_image(ASTRONAUT), size=256).pixels
    other = np.ascontiguousarray(face[:, ::-1]) if mirrored else face
    apart = identity_between(Identity(), face, other)
    assert 0 < apart < judging.SAME_PERSON if mirrored else apart == 0
