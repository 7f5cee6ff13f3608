"""How networks run: eager or compiled, and in which precision. Every latent records what was used."""

from zplus.execution.compiler import trouble
from zplus.execution.mode import COMPILING, EAGER, Execution, best_execution
from zplus.execution.renderer import Renderer

__all__ = ["COMPILING", "EAGER", "Execution", "Renderer", "best_execution", "trouble"]
