"""What a Mixer is, as data: one row for each architecture, and its closed-form size and cost."""

import dataclasses

from keras_mixer.arguments import pair, whole


@dataclasses.dataclass(frozen=True)
class MixerSpec:
    """The architecture of one MLP-Mixer.

    The names are those of the paper's Table 1 (https://arxiv.org/abs/2105.01601).

    Args:
        name: default name of a model built from it.
        patch_size: height and width of a patch in pixels, P.
        num_layers: number of mixer layers.
        hidden_size: channels of a token, C.
        tokens_mlp_dim: hidden width of the token-mixing MLP, D_S.
        channels_mlp_dim: hidden width of the channel-mixing MLP, D_C.
        image_size: height and width in pixels that `tokens_mlp_dim` is meant for, and the default
            input size.

    Raises:
        ValueError: a number is not positive, or the image is not a whole number of patches.
    """

    name: str
    patch_size: tuple[int, int]
    num_layers: int
    hidden_size: int
    tokens_mlp_dim: int
    channels_mlp_dim: int
    image_size: tuple[int, int] = (224, 224)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self)[1:]:
            check = pair if field.name in ("patch_size", "image_size") else whole
            object.__setattr__(self, field.name, check(getattr(self, field.name), field.name))
        self.grid()

    def grid(self, image_size: tuple[int, int] | None = None) -> tuple[int, int]:
        """Rows and columns of patches in an image of `image_size` (height, width) pixels.

        Raises:
            ValueError: the image is not a whole number of patches.
        """
        return grid_of(self.image_size if image_size is None else image_size, self.patch_size)

    def tokens(self, image_size: tuple[int, int] | None = None) -> int:
        """Number of tokens, the paper's S."""
        rows, columns = self.grid(image_size)
        return rows * columns

    def parameters(
        self,
        classes: int | None = 1000,
        image_size: tuple[int, int] | None = None,
        channels: int = 3,
    ) -> int:
        """Number of trainable parameters; `classes=None` counts the model without its head."""
        s, c = self.tokens(image_size), self.hidden_size
        stem = self._pixels(channels) * c + c
        token_mlp = 2 * s * self.tokens_mlp_dim + self.tokens_mlp_dim + s
        channel_mlp = 2 * c * self.channels_mlp_dim + self.channels_mlp_dim + c
        layer = 2 * (2 * c) + token_mlp + channel_mlp
        head = 0 if classes is None else (c + 1) * classes
        return stem + self.num_layers * layer + 2 * c + head

    def macs(
        self,
        classes: int | None = 1000,
        image_size: tuple[int, int] | None = None,
        channels: int = 3,
    ) -> int:
        """Multiply-accumulates of the matrix products for one image."""
        s, c = self.tokens(image_size), self.hidden_size
        stem = s * self._pixels(channels) * c
        layer = 2 * s * c * (self.tokens_mlp_dim + self.channels_mlp_dim)
        return stem + self.num_layers * layer + c * (classes or 0)

    def _pixels(self, channels: int) -> int:
        return self.patch_size[0] * self.patch_size[1] * channels


def grid_of(image_size: tuple[int, int], patch_size: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of patches in an image; sizes are (height, width) in pixels.

    Raises:
        ValueError: the image is not a whole number of patches.
    """
    height, width = pair(image_size, "image_size")
    tall, wide = pair(patch_size, "patch_size")
    if height % tall or width % wide:
        raise ValueError(
            f"An image of {height}x{width} pixels is not a whole number of {tall}x{wide} patches. "
            f"Use a height that is a multiple of {tall} and a width that is a multiple of {wide}."
        )
    return height // tall, width // wide


def _table(*rows: tuple) -> dict[str, MixerSpec]:
    return {row[0]: MixerSpec(*row) for row in rows}


# S/32 to H/14: Table 1 of the paper. S/8 has no row there: its sizes are those of the published
# GSAM weights. XS/4 is that of omihub777/MLP-Mixer-CIFAR, and Ti/4 this package's own; both are for
# 32-pixel images.
SPECS: dict[str, MixerSpec] = _table(
    # name        patch  layers  hidden C  D_S  D_C   image
    ("mixer_s32", 32, 8, 512, 256, 2048),
    ("mixer_s16", 16, 8, 512, 256, 2048),
    ("mixer_s8", 8, 8, 512, 256, 2048),
    ("mixer_b32", 32, 12, 768, 384, 3072),
    ("mixer_b16", 16, 12, 768, 384, 3072),
    ("mixer_l32", 32, 24, 1024, 512, 4096),
    ("mixer_l16", 16, 24, 1024, 512, 4096),
    ("mixer_h14", 14, 32, 1280, 640, 5120),
    ("mixer_xs4", 4, 8, 128, 64, 512, 32),
    ("mixer_ti4", 4, 4, 64, 32, 256, 32),
)
