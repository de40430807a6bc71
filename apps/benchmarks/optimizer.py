"""Seconds of one step of AdamW on the weights of Mixer-B/16, on PyTorch: three in turn, medians.

    KERAS_BACKEND=torch python apps/benchmarks/optimizer.py

Keras' own, this package's (`keras_mixer.training.AdamW`), and `torch.optim.AdamW(fused=True)`; the
first two without and with clipping by the global norm, which PyTorch has outside of its optimiser.
"""

import statistics
import sys
import time

import keras
import torch

import keras_mixer

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 9


def main() -> None:
    model = keras_mixer.MixerB16(weights=None)
    variables = model.trainable_variables
    gradients = [1e-3 * torch.randn_like(v.value) for v in variables]
    parameters = [torch.nn.Parameter(v.value.detach().clone()) for v in variables]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    steps = {"torch.optim, fused": torch.optim.AdamW(parameters, 1e-3, fused=True).step}
    for name, kind in (("Keras", keras.optimizers.AdamW), ("ours", keras_mixer.training.AdamW)):
        for clip in (None, 1.0):
            optimizer = kind(1e-3, global_clipnorm=clip)
            optimizer.build(variables)
            steps[name + ", clipped" * bool(clip)] = lambda one=optimizer: one.apply(
                gradients, variables
            )
    seconds: dict[str, list] = {name: [] for name in steps}
    for turn in range(ROUNDS + 1):
        for name, step in steps.items():
            begun = time.perf_counter()
            step()
            if turn:  # The first one makes its slots.
                seconds[name].append(time.perf_counter() - begun)
    for name, measured in seconds.items():
        print(f"{name:20} {statistics.median(measured):6.3f} s")


if __name__ == "__main__":
    main()
