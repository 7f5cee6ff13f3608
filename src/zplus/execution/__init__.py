"""How networks are run: eagerly or compiled, in which precision; what really ran is recorded in every latent."""

from zplus.execution.compiler import trouble
from zplus.execution.mode import COMPILING, EAGER, Execution, best_execution
from zplus.execution.renderer import Renderer

__all__ = ["COMPILING", "EAGER", "Execution", "Renderer", "best_execution", "trouble"]
