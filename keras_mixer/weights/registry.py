"""Which weights were published, and for which architecture."""

# Google's files: README of google-research/vision_transformer. `_miil`: the timm model cards.
# S/8 has GSAM weights only. H/14, L/32 and every JFT-300M model were never published.
PUBLISHED: dict[str, tuple[str, ...]] = {
    "mixer_s32": ("imagenet_gsam",),
    "mixer_s16": ("imagenet_gsam",),
    "mixer_s8": ("imagenet_gsam",),
    "mixer_b32": ("imagenet_sam", "imagenet_gsam"),
    "mixer_b16": (
        "imagenet",
        "imagenet21k",
        "imagenet_sam",
        "imagenet_gsam",
        "imagenet21k_miil",
        "imagenet_miil",
    ),
    "mixer_l16": ("imagenet", "imagenet21k"),
}
