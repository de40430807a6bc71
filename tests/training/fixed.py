"""Fixed weights, batches and recipes, for the Optax reference and for the package alike.

NumPy alone. `RandomState` is the generator whose stream NumPy promises to keep (NEP 19).
"""

import numpy as np

# The architecture of the fixture `tiny`.
PATCH, LAYERS, HIDDEN, TOKENS_MLP, CHANNELS_MLP = 4, 2, 8, 6, 16
HEIGHT, WIDTH, CLASSES, BATCH = 8, 12, 5, 16

STEPS = 50

# The names of the fields of `keras_mixer.training.recipe.Recipe`. Fine-tuning: section 3 of
# https://arxiv.org/abs/2105.01601. Pre-training: its appendix B, Table 4 for Mixer-B on ImageNet,
# with the sigmoid loss and the head bias of google-research/big_vision.
FINETUNE = {
    "optimizer": "sgd",
    "learning_rate": 0.03,
    "steps": STEPS,
    "warmup_steps": 5,
    "decay": "cosine",
    "clip_norm": 1.0,
    "weight_decay": 0.0,
    "loss": "softmax",
    "label_smoothing": 0.0,
    "batch_size": BATCH,
}
PRETRAIN = {
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "steps": STEPS,
    "warmup_steps": 10,
    "decay": "linear",
    "clip_norm": 1.0,
    "weight_decay": 0.1,
    "loss": "sigmoid",
    "label_smoothing": 0.0,
    "batch_size": BATCH,
}
SCRATCH = {
    **PRETRAIN,
    "learning_rate": 4e-3,
    "warmup_steps": 5,
    "decay": "cosine",
    "weight_decay": 0.05,
    "loss": "softmax",
    "label_smoothing": 0.1,
}
# `head_bias` is where the bias of the head starts. The hot cases have larger rates: the loss of
# pre-training falls by 2 % at the paper's rate in so few steps, and by 40 % there.
CASES = {
    "finetune": {"recipe": FINETUNE, "head_bias": 0.0},
    "finetune_hot": {"recipe": {**FINETUNE, "learning_rate": 0.06}, "head_bias": 0.0},
    "pretrain": {"recipe": PRETRAIN, "head_bias": -6.9},
    "pretrain_hot": {"recipe": {**PRETRAIN, "learning_rate": 1e-2}, "head_bias": -6.9},
    "scratch": {"recipe": SCRATCH, "head_bias": 0.0},
}


def shapes():
    """`{name: shape}` of every parameter, in the order of the model."""
    tokens = (HEIGHT // PATCH) * (WIDTH // PATCH)

    def dense(name, rows, columns):
        return {f"{name}/kernel": (rows, columns), f"{name}/bias": (columns,)}

    def norm(name):
        return {f"{name}/gamma": (HIDDEN,), f"{name}/beta": (HIDDEN,)}

    result = dense("stem", PATCH * PATCH * 3, HIDDEN)
    for i in range(LAYERS):
        block = f"mixer_block_{i}"
        result |= norm(f"{block}/layer_norm_0")
        result |= dense(f"{block}/token_mixing/dense_0", tokens, TOKENS_MLP)
        result |= dense(f"{block}/token_mixing/dense_1", TOKENS_MLP, tokens)
        result |= norm(f"{block}/layer_norm_1")
        result |= dense(f"{block}/channel_mixing/dense_0", HIDDEN, CHANNELS_MLP)
        result |= dense(f"{block}/channel_mixing/dense_1", CHANNELS_MLP, HIDDEN)
    return result | norm("pre_head_layer_norm") | dense("head", HIDDEN, CLASSES)


def weights(seed=3, head_bias=0.0):
    """`{name: float32 array}`: LeCun-normal kernels, zero biases, gamma 1, a head of zeros.

    With these seeds some steps of every case are clipped and some are not.
    """
    random = np.random.RandomState(seed)
    result = {}
    for name, shape in shapes().items():
        kind = name.rsplit("/", 1)[1]
        if kind == "kernel" and name != "head/kernel":
            array = random.standard_normal(shape) / np.sqrt(shape[0])
        else:
            array = np.full(shape, 1.0 if kind == "gamma" else 0.0)
        result[name] = array.astype("float32")
    result["head/bias"][:] = head_bias
    return result


def batches(steps=STEPS, size=BATCH, seed=2):
    """`steps` pairs of images in [-1, 1] and labels: one-hot, and mixed up in every second one."""
    random = np.random.RandomState(seed)
    patterns = random.uniform(-1, 1, (CLASSES, HEIGHT, WIDTH, 3))
    result = []
    for step in range(steps):
        labels = random.randint(0, CLASSES, size)
        noise = random.uniform(-1, 1, (size, HEIGHT, WIDTH, 3))
        x, y = 0.6 * patterns[labels] + 0.4 * noise, np.eye(CLASSES)[labels]
        if step % 2:
            share = random.uniform(0.5, 1)
            x = share * x + (1 - share) * x[::-1]
            y = share * y + (1 - share) * y[::-1]
        result.append((x.astype("float32"), y.astype("float32")))
    return result
