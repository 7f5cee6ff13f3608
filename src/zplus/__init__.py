"""zplus: edit real photos with a StyleGAN's own prior."""

__version__ = "0.1.0"
