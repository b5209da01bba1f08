"""Learning rates and the weight of the adversarial term, by images seen."""

import math

from .config import CompletionConfig


def rate_factor(config: CompletionConfig, nimg: int) -> float:
    """Return the learning rate at image nimg over that at the start.

    "halved": 1/2 after every halve_every images (the paper, Appendix B). "cosine": down to
    final_fraction at the end, which suits short runs.
    """
    if config.schedule == "halved":
        return 0.5 ** (nimg // config.halve_every)
    done = min(nimg / config.total_images, 1.0)
    return config.final_fraction + (1 - config.final_fraction) * (1 + math.cos(math.pi * done)) / 2


def adversarial_factor(config: CompletionConfig, nimg: int) -> float:
    """Return the factor of lambda_a: 0 while D unlearns that G's images are fake, then up to 1.

    It is 0 for discriminator_warmup images and then rises to 1 over adversarial_ramp images.
    """
    done = (nimg - config.discriminator_warmup) / max(config.adversarial_ramp, 1)
    return min(max(done, 0.0), 1.0)
