"""PyTorch: data parallelism of its own distributed package, one device a process.

Keras' `fit` hands all gradients to `Optimizer.apply` at once, in every step. There they are
averaged over the processes, before clipping, accumulation and moving averages, which so see the
gradients of the whole batch. `DistributedDataParallel` would not do: it averages only what is
called through it, and `fit` calls the model inside.
"""

import functools
import os
import random
import socket
from datetime import timedelta

import keras
import numpy as np

from keras_mixer.distribution.group import Group, join
from keras_mixer.distribution.place import Distribution

TIMEOUT = timedelta(seconds=300)  # Of a collective; a lost process is noticed earlier.


def under_torchrun() -> bool:
    """Whether this process was started by `torchrun`."""
    return all(name in os.environ for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"))


def join_under_torchrun(facts: dict, wait: float) -> Group | None:
    """The group of the processes that `torchrun` started; `None` where it is one alone."""
    import torch.distributed as dist

    store, rank, processes = next(dist.rendezvous("env://", timeout=timedelta(seconds=wait)))
    if processes == 1:
        return None
    host, listener = os.environ["MASTER_ADDR"], None
    if rank == 0:
        listener = socket.create_server((host, 0))
        store.set("keras_mixer", f"{host}:{listener.getsockname()[1]}")
    address = store.get("keras_mixer").decode()
    group = join(rank, processes, address, facts, wait, listener)
    _init(store, rank, processes)
    return group


def _gpus() -> int:
    """How many there are, where Keras computes on one."""
    import torch

    return torch.cuda.device_count() if keras.ops.zeros(()).device.type == "cuda" else 0


def start(kind: str, group: Group | None, host: str) -> Distribution:
    """Sets up the process group, and the averaging of the gradients."""
    import torch.distributed as dist

    if group is None:
        if kind == "data" or (_gpus() > 1 and not under_torchrun()):
            raise ValueError(
                "On PyTorch each device has a process of its own. Start them by torchrun "
                "--nproc-per-node N, or give --processes, --process and --coordinator; or use "
                "--backend jax."
            )
        return Distribution()
    if not dist.is_initialized():
        if group.process == 0:
            store = dist.TCPStore(host, 0, is_master=True, wait_for_workers=False)
            group.broadcast(str(store.port).encode())
        else:
            port = int(group.broadcast())
            store = dist.TCPStore(host, port, is_master=False)
        _init(store, group.process, group.processes)
    seed = random.randrange(2**31)
    keras.utils.set_random_seed(int(group.broadcast(str(seed).encode())))
    apply = keras.optimizers.Optimizer.apply

    @functools.wraps(apply)
    def averaged(self, grads, trainable_variables=None):
        return apply(self, _averaged(grads), trainable_variables)

    keras.optimizers.Optimizer.apply = averaged
    return TorchDistribution("data", group.process, group.processes, group.processes, group=group)


def _init(store, rank: int, processes: int) -> None:
    import torch
    import torch.distributed as dist

    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank % torch.cuda.device_count())))
    dist.init_process_group(backend, store=store, rank=rank, world_size=processes, timeout=TIMEOUT)


class TorchDistribution(Distribution):
    """A `Distribution` of PyTorch's."""

    def settle(self, model):
        import torch.distributed as dist

        for variable in [*model.variables, *model.optimizer.variables]:
            dist.broadcast(variable.value.detach(), 0)
        for layer in model._flatten_layers():
            for generator in getattr(layer, "_seed_generators", ()):
                # Else every process would drop the same of its own images.
                state = np.array(keras.ops.convert_to_numpy(generator.state))
                state[0] += self.process
                generator.state.assign(state)

    def callbacks(self):
        return [SumOfAll()]


class SumOfAll(keras.callbacks.Callback):
    """Makes the metrics after each step those of all processes; the first of the callbacks."""

    def on_train_batch_begin(self, batch, logs=None):
        self._before = [v.value.detach().clone() for v in self.model.metrics_variables]

    def on_train_batch_end(self, batch, logs=None):
        import torch
        import torch.distributed as dist

        variables = [v.value for v in self.model.metrics_variables]
        before = self._before or [torch.zeros_like(v) for v in variables]
        # `fit` makes the metrics in the first step, which so begin at nothing.
        if len(before) != len(variables):
            before += [torch.zeros_like(v) for v in variables[len(before) :]]
        with torch.no_grad():
            change = torch.cat(
                [(v - b).reshape(-1) for v, b in zip(variables, before, strict=True)]
            )
            dist.all_reduce(change)
            parts = change.split([v.numel() for v in variables])
            for variable, old, part in zip(variables, before, parts, strict=True):
                variable.copy_(old + part.view_as(variable))

    on_test_batch_begin = on_train_batch_begin
    on_test_batch_end = on_train_batch_end


def _averaged(grads):
    """The mean over all processes of each gradient, in one message."""
    import torch
    import torch.distributed as dist

    there = [g for g in grads if g is not None]
    if not there:
        return grads
    flat = torch.cat([g.reshape(-1) for g in there])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    parts = flat.split([g.numel() for g in there])
    means = iter([part.view_as(g) for part, g in zip(parts, there, strict=True)])
    return [None if g is None else next(means) for g in grads]
