"""Faults planted one at a time into a copy of the package: the tests named beside each must find it.

    python benchmarks/mutants.py [NAME ...]

Without names all of MUTANTS are tried, which takes some minutes, and the outcome is saved. The tests must pass before.
Ends with 1 where one survives.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from machine import save_result

ROOT = Path(__file__).parents[1]
FAILED, PASSED = 1, 0  # what pytest returns


class Mutant(NamedTuple):
    """A fault: in `file` of src/zplus the text `before`, which is there once, becomes `after`."""

    name: str
    file: str
    before: str
    after: str
    tests: str  # paths in tests/


# fmt: off
MUTANTS = [Mutant(*row) for row in (
    ("the angle of a logarithm stops at 90 degrees", "spaces/sphere.py",
     "angle = torch.atan2(length, (code * end).sum(-1, keepdim=True) / radius)", "angle = (length / radius).asin()",
     "editing/test_edit.py"),
    ("styles rescaled by the first code's psi", "spaces/linear.py",
     "factor[self._feeds, 0]", "factor[0, 0]", "spaces/test_every_space.py"),
    ("codes averaged without a retract", "spaces/conversion.py",
     "target.retract(target.onto_rows(code)).clone()", "target.onto_rows(code).clone()", "spaces/test_every_space.py"),
    ("consensus without its unit", "spaces/penalties.py",
     "(code - code.mean(1, keepdim=True)) / space.std)", "code - code.mean(1, keepdim=True))",
     "spaces/test_penalties.py"),
    ("excluded vectors ignored", "spaces/mapping.py",
     "if excluded is None else excluded", "", "editing/test_edit.py"),
    ("way against a vector measured along it", "editing/transport.py",
     "gone = side * (len(waypoints) - 1)", "gone = (len(waypoints) - 1)", "editing/test_edit.py"),
    ("a lost row stays where it was lost", "editing/transport.py",
     "waypoints[0].code, moved)", "waypoints[last].code, moved)", "editing/test_edit.py"),
    ("a vector averaged over layers that it leaves alone", "editing/transport.py",
     "moving.sum(1, keepdim=True).clamp(min=1)", "vector.shape[1]", "editing/test_edit.py"),
    ("rows lost with the first", "editing/transport.py",
     "waypoints[last].lost[:, None, None]", "waypoints[last].lost[:1, None, None]", "editing/test_edit.py"),
    ("a batch refused by its first row", "editing/editor.py",
     "if end.lost.all():", "if end.lost[0]:", "editing/test_edit.py"),
    ("a straight edit rendered as codes of the sphere", "spaces/rendering.py",
     'return straight(space) if latent.move == "straight" else space', "return space", "editing/test_edit.py"),
    ("a move forgotten by the next edit", "editing/editor.py",
     'return self.latent.move if _are_of_w(self.latent.edits) else "straight"', 'return "straight"',
     "editing/test_edit.py"),
    ("likeness that takes the edit back", "editing/likeness.py",
     "self.identity).square().sum() + changed +", "self.identity).square().sum() +", "editing/test_likeness.py"),
    ("likeness to the edited face", "editing/likeness.py",
     "_face(self.photo, detector).identity(self.photo)", "_face(self.photo, detector).identity(self.edited)",
     "editing/test_likeness.py"),
    ("a second likeness on top of the first", "editing/likeness.py",
     "{x.direction: -x.strength for x in latent.edits if x.direction.corrects}", "{}",
     "editing/test_likeness.py"),
    ("an encoder that forgets what it begins with", "training/encoder.py",
     "trainer.encoder.load_state_dict(start.state_dict())", "pass", "training/test_encoder_training.py"),
    ("an older file's edits taken for straight", "latent.py",
     '"sphere" if header["edits"] else "straight"', '"straight"', "test_latent_file.py"),
    ("the end of a way brought back onto the sphere", "editing/mixing.py",
     "own if other.name == b.space else straight(own)", "own", "editing/test_mixing.py"),
    ("no length corrected by how far w came", "editing/transport.py",
     "if not self.bends:\n            return moved", "if True:\n            return moved", "editing/test_edit.py"),
    ("motion in cells of the reduced map", "editing/warping.py",
     'mode="bilinear") * (side / MAX_SIDE)', 'mode="bilinear")', "editing/test_warping.py"),
    ("motion backwards", "editing/warping.py",
     "motion(before.features, after.features)", "motion(after.features, before.features)",
     "editing/test_edit.py editing/test_warping.py"),
    ("far motions cost nothing", "editing/warping.py",
     "DISPLACEMENT_PENALTY = 0.002", "DISPLACEMENT_PENALTY = 0.0", "editing/test_warping.py"),
    ("an MSE weight of 0 while F moves ignored", "inversion/objective.py",
     "self.settings.mse_weight if mse_weight is None else mse_weight", "mse_weight or self.settings.mse_weight",
     "inversion/test_objective.py"),
    ("the MSE weight ignored", "inversion/objective.py",
     "loss = weight * (image", "loss = (image", "inversion/test_objective.py"),
    ("the MSE weight of codes ignored", "inversion/objective.py",
     "weight = self.settings.mse_weight if", "weight = 1.0 if", "inversion/test_objective.py"),
    ("the MSE weight while F moves ignored", "inversion/descent.py",
     "settings.mse_weight if state is None else settings.feature_mse_weight", "settings.mse_weight",
     "inversion/test_methods.py"),
    ("P-norm never added", "inversion/objective.py",
     "(settings.p_norm_weight, p_norm)", "(0.0, p_norm)", "inversion/test_objective.py"),
    ("the code not drawn to F", "inversion/objective.py",
     "feature_consistency(space, state, reference)", "feature_consistency(space, state, reference.map(Tensor.detach))",
     "inversion/test_objective.py"),
    ("F held to head(code) whatever the settings", "inversion/descent.py",
     'state if problem.settings.consistency_target == "initial" else None', "None", "inversion/test_descent.py"),
    ("codes of a latent with F moved alone", "inversion/descent.py",
     "if state is None and code_steps:", "if code_steps:", "inversion/test_descent.py"),
    ("rows at rest drift to what is better", "inversion/minimizer.py",
     "better = moving & (loss.detach() < least)", "better = loss.detach() < least", "inversion/test_minimizer.py"),
    ("absolute rates ignored", "inversion/problem.py",
     "return std if self.settings.relative_rates else 1.0", "return std", "inversion/test_descent.py"),
    ("absolute rates ignored by SAM's code", "inversion/problem.py",
     "problem.unit(problem.space.std)", "problem.space.std", "inversion/test_sam.py"),
    ("absolute rates ignored by SAM's maps", "inversion/problem.py",
     "problem.unit(std)", "std", "inversion/test_sam.py"),
    ("the sphere of SAM always implicit", "inversion/problem.py",
     'problem.settings.sphere == "riemannian"', "False", "inversion/test_sam.py"),
    ("the weight of SAM's maps ignored", "inversion/sam.py",
     " + settings.sam_weight * size", "", "inversion/test_sam.py"),
    ("the worst start", "inversion/encoding.py",
     "flatten(1)).argmin(1)]", "flatten(1)).argmax(1)]", "inversion/test_descent.py"),
    ("the encoder's codes taken as if learnt under the caller's psi", "inversion/encoding.py",
     "generator, decoding=plain)", "generator, decoding=space.decoding)", "inversion/test_descent.py"),
    ("generators kept alive", "generators/memory.py",
     "= WeakKeyDictionary()", "= {}", "generators/test_memory.py"),
)]
# fmt: on


def outcome(mutant: Mutant, source: Path) -> str:
    """ "killed" or "survived". Raises ValueError where the text is not there once, or the tests do not even begin."""
    path = source / "zplus" / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise ValueError(f"{mutant.name}: its text is {text.count(mutant.before)} times in {mutant.file}.")
    path.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    passed = passes(mutant.tests, source)
    path.write_text(text, encoding="utf-8")
    return "survived" if passed else "killed"


def passes(tests: str, source: Path) -> bool:
    """Whether tests pass with the package of this folder. Raises ValueError where they do not even begin."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *(f"tests/{path}" for path in tests.split())],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in (PASSED, FAILED):
        raise ValueError(f"{tests} did not run.\n{done.stdout[-2000:]}")
    return done.returncode == PASSED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names, found = parser.parse_args().names, {}
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "src")
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        if failing := [tests for tests in sorted({one.tests for one in chosen}) if not passes(tests, source)]:
            raise SystemExit(f"These fail without a fault: {', '.join(failing)}.")
        for mutant in chosen:
            found[mutant.name] = outcome(mutant, source)
            print(f"{found[mutant.name]:9} {mutant.name}", flush=True)
    if not names:
        save_result("mutants", {"mutants": found})
    sys.exit("survived" in found.values())


if __name__ == "__main__":
    main()
