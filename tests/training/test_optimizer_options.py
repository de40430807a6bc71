"""Every option that our optimizers take from Keras does what it says, beside NumPy in float64."""

import inspect
import itertools

import keras
import numpy as np
import pytest

from keras_mixer.training import SGD, AdamW

SHAPES = {"kernel": (3, 2), "bias": (2,)}
RATES = np.linspace(0.1, 0.02, 6)  # Another one at each step, which a velocity would notice.


class Falling(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, parts=1):
        self.parts = parts

    def __call__(self, step):
        step = keras.ops.cast(keras.ops.floor_divide(step, self.parts), "float32")
        return 0.1 - 0.016 * step

    def get_config(self):
        return {"parts": self.parts}


def draw(seed=0):
    rng = np.random.default_rng(seed)
    start = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    gradients = [{n: rng.normal(size=s) for n, s in SHAPES.items()} for _ in range(6)]
    return start, gradients


def clipped(g, options):
    if limit := options.get("clipnorm"):
        return {n: x * min(1, limit / np.linalg.norm(x)) for n, x in g.items()}
    if limit := options.get("global_clipnorm"):
        norm = np.sqrt(sum((x**2).sum() for x in g.values()))
        return {n: x * min(1, limit / norm) for n, x in g.items()}
    if limit := options.get("clipvalue"):
        return {n: np.clip(x, -limit, limit) for n, x in g.items()}
    return g


def direction(kind, name, g, t, state, options):
    """What is multiplied by the learning rate, and the state after it."""
    if kind is SGD:
        momentum = options.get("momentum", 0.0)
        state[name] = trace = g + momentum * state.get(name, 0)
        return g + momentum * trace if options.get("nesterov") else trace
    b1, b2 = options.get("beta_1", 0.9), options.get("beta_2", 0.999)
    m, v, top = state.get(name, (0, 0, 0))
    m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
    top = np.maximum(top, v)
    state[name] = m, v, top
    largest = top if options.get("amsgrad") else v
    root = np.sqrt(largest / (1 - b2**t))
    return m / (1 - b1**t) / (root + options.get("epsilon", 1e-7))


def by_hand(kind, options):
    """Weights and averages after six gradients."""
    values, gradients = draw()
    parts, every = options.get("gradient_accumulation_steps") or 1, "ema_overwrite_frequency"
    decay = options.get("weight_decay", 0.004 if kind is AdamW else None) or 0
    averages, state = None, {}
    for t in range(1, 6 // parts + 1):
        own = gradients[(t - 1) * parts : t * parts]
        g = {n: sum(part[n] for part in own) / parts for n in SHAPES}
        g = {n: x / options.get("loss_scale_factor", 1) for n, x in g.items()}
        for name, x in clipped(g, options).items():
            rate = RATES[t - 1] * options.get("rates", {}).get(name, 1)
            step = direction(kind, name, x, t, state, options)
            values[name] = values[name] * (1 - decay * rate) - rate * step
        share = 1 - options.get("ema_momentum", 0.99)
        averages = averages or values
        averages = {n: averages[n] + share * (values[n] - averages[n]) for n in SHAPES}
        if options.get(every) and t % options[every] == 0:
            values = dict(averages)
    return values, averages


def trained(kind, options):
    start, gradients = draw()
    variables = [keras.Variable(x.astype("float32"), name=n) for n, x in start.items()]
    optimizer = kind(Falling(options.get("gradient_accumulation_steps") or 1), **options)
    for step in gradients:
        optimizer.apply(
            [keras.ops.convert_to_tensor(g.astype("float32")) for g in step.values()], variables
        )
    return optimizer, variables


COMMON = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.5},
    {"global_clipnorm": 0.5},
    {"use_ema": True},
    {"use_ema": True, "ema_momentum": 0.5},
    {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 2},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 2},
    {"gradient_accumulation_steps": 3, "use_ema": True, "ema_momentum": 0.5},
    {"gradient_accumulation_steps": 2, "global_clipnorm": 0.5, "weight_decay": 0.1},
    {"name": "mine"},
    {"rates": {"kernel": 0.25}},
    {"rates": {"bias": 0.5}, "weight_decay": 0.1, "hold_averages": True},
]
OWN = {
    SGD: [
        {"momentum": 0.0},
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.0, "nesterov": True},
        {"momentum": 0.9, "nesterov": True, "global_clipnorm": 0.5, "weight_decay": 0.1},
        {"momentum": 0.9, "nesterov": True, "gradient_accumulation_steps": 2},
        {"momentum": np.float64(0.9), "weight_decay": np.float32(0.125)},
    ],
    AdamW: [
        {"beta_1": 0.5},
        {"beta_2": 0.9},
        {"epsilon": 0.1},
        {"amsgrad": True, "beta_2": 0.5},
        {"weight_decay": np.float32(0.125), "epsilon": np.float32(0.125)},
    ],
}
CASES = [
    pytest.param(kind, options, id=f"{kind.__name__}-{'-'.join(map(str, options)) or 'plain'}")
    for kind in (SGD, AdamW)
    for options in (*COMMON, *OWN[kind])
]


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_an_option_does_what_it_says(kind, options):
    optimizer, variables = trained(kind, options)
    values, averages = by_hand(kind, options)
    for variable in variables:
        np.testing.assert_allclose(variable.numpy(), values[variable.name], rtol=1e-4, atol=1e-5)
    if options.get("use_ema"):
        moving = optimizer._model_variables_moving_average
        for variable, average in zip(variables, moving, strict=True):
            np.testing.assert_allclose(average.numpy(), averages[variable.name], 1e-4, 1e-5)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_the_options_change_what_is_trained(kind):
    """Else the test above could not tell an option from its absence."""
    idle = ({"momentum": 0.0}, {"name": "mine"}, {"use_ema": True}, {"loss_scale_factor": 8.0})
    plain = by_hand(kind, {})[0]["kernel"]
    for options in (*COMMON[1:], *OWN[kind]):
        if set(options) <= {"use_ema", "ema_momentum", "name"} or options in idle:
            continue
        if options == {"momentum": 0.0, "nesterov": True} or "bias" in options.get("rates", {}):
            continue
        moved = np.abs(by_hand(kind, options)[0]["kernel"] - plain).max()
        assert moved > 1e-4, options


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_every_option_of_keras_is_in_the_table(kind):
    parent = keras.optimizers.SGD if kind is SGD else keras.optimizers.AdamW
    options = set(inspect.signature(parent.__init__).parameters)
    options -= {"self", "learning_rate", "kwargs"}
    assert options <= {*itertools.chain(*COMMON, *OWN[kind])}


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_a_config_holds_every_option(kind, options):
    optimizer = kind(0.1, **options)
    config = optimizer.get_config()
    again = kind.from_config(config)
    assert again.get_config() == config
    assert {k: config[k] for k in options} == options
    for value in config.values():
        assert type(value).__module__ == "builtins"


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_one_option_excludes_another(kind):
    with pytest.raises(ValueError, match="`ema_overwrite_frequency` and `gradient_accumulation"):
        kind(0.1, use_ema=True, ema_overwrite_frequency=2, gradient_accumulation_steps=2)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_averages_are_the_weights_until_a_step_is_done(kind):
    """Keras puts them in place of the weights at the end of a `fit`, however short it was."""
    (variable,) = variables = [keras.Variable(np.ones((2,), "float32"), name="kernel")]
    optimizer = kind(0.1, use_ema=True, gradient_accumulation_steps=2)
    optimizer.apply([keras.ops.ones((2,))], variables)
    optimizer.finalize_variable_values(variables)
    np.testing.assert_array_equal(variable.numpy(), [1, 1])


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_averages_over_several_fits(kind):
    """On JAX the averages must not be the arrays that the weights became."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(kind(0.1, use_ema=True, ema_momentum=0.5), "mse")
    x, y = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    losses = [model.fit(x, y, verbose=0).history["loss"][0] for _ in range(3)]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize(("options", "expected"), [({}, -0.125), ({"hold_averages": True}, -0.5)])
def test_averages_take_the_place_of_the_weights_unless_they_are_held(options, expected):
    """Weights 1, 0.5, 0, -0.5; averages 0.5, 0.25, -0.125."""
    weight = keras.Variable(np.ones(1, "float32"))
    optimizer = SGD(0.5, momentum=0.0, use_ema=True, ema_momentum=0.5, **options)
    for _ in range(3):
        optimizer.apply([keras.ops.ones(1)], [weight])
    optimizer.finalize_variable_values([weight])
    assert keras.ops.convert_to_numpy(weight.value) == pytest.approx([expected])
