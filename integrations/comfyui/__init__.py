"""zplus in ComfyUI: faces of photos found in a StyleGAN, edited with sliders and pasted back."""

from .nodes import EditLatent, InvertImage, LoadGenerator, LoadLatent, PasteBack, SaveLatent

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]

NODE_CLASS_MAPPINGS = {
    "ZplusLoadGenerator": LoadGenerator,
    "ZplusInvert": InvertImage,
    "ZplusEdit": EditLatent,
    "ZplusPasteBack": PasteBack,
    "ZplusSaveLatent": SaveLatent,
    "ZplusLoadLatent": LoadLatent,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "ZplusLoadGenerator": "Load Generator (zplus)",
    "ZplusInvert": "Invert Image (zplus)",
    "ZplusEdit": "Edit Latent (zplus)",
    "ZplusPasteBack": "Paste Back (zplus)",
    "ZplusSaveLatent": "Save Latent (zplus)",
    "ZplusLoadLatent": "Load Latent (zplus)",
}
