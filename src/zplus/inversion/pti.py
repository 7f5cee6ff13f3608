"""Pivotal tuning (Roich et al. 2021, PTI, arXiv 2106.05744): the generator's weights bend until a code shows the photo.

The pivot is a latent of any space, found by any method; its code stays, and what the weights change by is kept with it.
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import Adam

from zplus.errors import DivergedError
from zplus.execution import Execution, Renderer
from zplus.generators import Generator
from zplus.inversion.objective import Distance
from zplus.inversion.optimize import Callback, Clock
from zplus.inversion.settings import Settings
from zplus.latent import Latent
from zplus.perception.lpips import LPIPS
from zplus.spaces import make_space, space_of, state_of
from zplus.spaces.convert import convert_code

ALONG = 0.5  # how far towards a sample of the prior the codes lie whose pictures should stay (section 3.3)
EVERY = 4  # steps between two looks at them


def tune(
    generator: Generator,
    pivot: Latent,
    target: Float[Tensor, "n 3 r r"],
    lpips: LPIPS,
    settings: Settings,
    execution: Execution,
    callback: Callback | None = None,
) -> Latent:
    """The pivot with weight offsets under which it shows the photo; the generator itself stays as it is.

    All of the synthesis that acts is tuned, but not the mapping: z and w mean what they meant. `settings` says for how
    many steps, at which rate, which loss is near enough, and how much pictures of other codes must stay as they were.
    One photo at a time. Raises DivergedError.
    """
    changed = generator.tuned({})
    space, point = space_of(changed, pivot), pivot.inverted.plain(target.device)  # and its noise, which stays
    own = space_of(generator, pivot)
    after, before = Renderer(space, execution), Renderer(own, execution)
    near, moved = (make_space("w+", x, None, pivot.psi, pivot.cutoff, pivot.noise) for x in (generator, changed))
    weights = {name: x.requires_grad_() for name, x in changed.named_parameters() if not name.startswith("mapping.")}
    centre = convert_code(own, point.code, near)
    distance, optimizer = Distance(target, lpips, settings, execution), Adam(weights.values(), settings.tuning_lr)
    least, best, clock = torch.inf, dict[str, Tensor](), Clock.after(pivot, settings.tuning, callback)
    for step in range(settings.tuning):
        image = after(space.signals(point.code), state_of(point))
        loss = distance(image)
        if loss.item() < least:
            least, best = loss.item(), _offsets(generator, weights)
        if clock.report(step, loss.detach(), image.detach()) or not loss.isfinite() or least <= settings.tuning_loss:
            break
        if settings.locality and step % EVERY == 0:
            other = near.interpolate(centre, near.common_sample(1, step), ALONG)
            with torch.no_grad():
                was = Distance(before(near.signals(other), None), lpips, settings, execution)
            loss = loss + settings.locality * was(after(moved.signals(other), None))
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
    if least == torch.inf:
        raise DivergedError("The tuning never had a finite loss: lower its rate, or begin with another latent.")
    figures = pivot.figures | {"steps": [clock.step], "seconds": [clock.seconds], "tuning_loss": [least]}
    return replace(pivot, offsets=best, figures=figures)


def _offsets(generator: Generator, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the weights changed by, where they did."""
    before = dict(generator.named_parameters())
    changes = {name: x.detach() - before[name] for name, x in weights.items()}
    return {name: x for name, x in changes.items() if x.any()}
