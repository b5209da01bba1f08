"""A prior that goes on at a larger side than it was trained at: new outermost blocks, old weights.

Layouts are learned at a small side, where a step costs a fraction; the details follow. The skip
generator sums its blocks' pictures, so a new block whose to-RGB layer begins at zero starts from
the old picture, enlarged. D's new blocks begin with guesses: let G wait for it
(`prior.generator_ramp`).

Source: Karras et al. 2018, arXiv:1710.10196 (growing); Karras et al. 2020, arXiv:1912.04958, whose
skip and residual connections take new blocks without fading them in.
"""

import math
import re

from torch import Tensor, nn

from ..core.networks import Discriminator, Generator


def grow(module: nn.Module, smaller: dict[str, Tensor], resolution: int) -> None:
    """Load the weights of a network of a smaller side; what is new keeps its own.

    Args:
        module: Generator or Discriminator as it is initialised.
        smaller: the state of one of the given side, with as many channels at each side.
        resolution: that side.
    """
    assert isinstance(module, Generator | Discriminator)
    num_new = int(math.log2(module.config.resolution // resolution))
    own = module.state_dict()
    if isinstance(module, Generator):
        num_blocks = len(module.synthesis.blocks)
        for index in range(num_blocks - num_new, num_blocks):
            own[f"synthesis.blocks.{index}.to_rgb.weight"].zero_()
        taken = smaller
    else:
        # D counts its blocks from the largest side on.
        shifted = ((_later(name, num_new), value) for name, value in smaller.items())
        taken = {name: value for name, value in shifted if not name.startswith("from_rgb.")}
    module.load_state_dict({**own, **taken})


def _later(name: str, num: int) -> str:
    return re.sub(r"^blocks\.(\d+)\.", lambda found: f"blocks.{int(found[1]) + num}.", name)
