"""What larger images cost, with the hidden width of token mixing as it is and grown.

    KERAS_BACKEND=jax python apps/benchmarks/resolution.py

A Mixer's cost is linear in its tokens as long as the hidden width of token mixing stays (section 2
of the paper, https://arxiv.org/abs/2105.01601): images a second times tokens is then constant. The
rule for fine-tuning at a higher resolution (appendix C) lets that width grow with the tokens
instead, and costs what the last line says. Inference, all in turn, each at a batch of about as many
tokens; medians, and of the ratios to the first line the median of those within a round.
"""

import dataclasses
import statistics

import click
import keras

import keras_mixer


@click.command()
@click.option("--model", default="mixer_b16", show_default=True)
@click.option("--tokens", default=3136, show_default=True, help="In a batch, about.")
@click.option("--rounds", default=7, show_default=True)
def command(model, tokens, rounds):
    spec = keras_mixer.SPECS[model]
    first = spec.image_size[0]
    cases = {f"{size} px": (size, 1) for size in (first, first * 3 // 2, 2 * first)}
    cases[f"{2 * first} px, grown"] = (2 * first, 4)
    tasks, batches, macs, lengths = {}, {}, {}, {}
    for name, (size, growth) in cases.items():
        grown = dataclasses.replace(
            spec, image_size=(size, size), tokens_mlp_dim=growth * spec.tokens_mlp_dim
        )
        built = keras_mixer.Mixer(grown, weights=None, classifier_activation=None)
        macs[name], lengths[name] = grown.macs(), grown.tokens()
        batches[name] = max(1, round(tokens / lengths[name]))
        tasks[name] = _AtOneBatch(keras_mixer.profiling.Task(built, macs[name]), batches[name])
    sweeps = keras_mixer.profiling.sweep(tasks, [1], rounds=rounds, say=lambda line: None)
    points = {name: sweep.points[0] for name, sweep in sweeps.items()}
    print(f"{model} on {keras.backend.backend()}, inference, medians of {rounds} rounds")
    print(
        f"{'':16}{'tokens':>7}{'GMACs':>8}{'batch':>6}{'img/s':>8}{'x tokens':>10}{'to first':>9}"
    )
    base = next(iter(points))
    for name, point in points.items():
        rates = [lengths[name] * batches[name] / seconds for seconds in point.seconds]
        bases = [lengths[base] * batches[base] / seconds for seconds in points[base].seconds]
        ratio = statistics.median(a / b for a, b in zip(rates, bases, strict=True))
        rate = statistics.median(rates)
        print(
            f"{name:16}{lengths[name]:7}{macs[name] / 1e9:8.2f}{batches[name]:6}"
            f"{rate / lengths[name]:8.2f}{rate:10.0f}{ratio:9.2f}"
        )


class _AtOneBatch:
    """A task whose batch is given beforehand."""

    def __init__(self, task, batch_size):
        self.task, self.flops, self.batch_size = task, task.flops, batch_size
        self.state_bytes = task.state_bytes

    def call(self, _):
        return self.task.call(self.batch_size)


if __name__ == "__main__":
    command()
