"""What a model costs: parameters, multiply-accumulates, images a second, memory, device-days."""

from keras_mixer.profiling.ceiling import matmul_ceiling
from keras_mixer.profiling.cost import CLASSES, IMAGES, PretrainingCost, pretraining_costs
from keras_mixer.profiling.counts import macs
from keras_mixer.profiling.devices import DEVICES, DeviceType
from keras_mixer.profiling.figures import throughput
from keras_mixer.profiling.machine import Machine, global_settings, this_machine
from keras_mixer.profiling.memory import peak_growth
from keras_mixer.profiling.plan import Plan, plan
from keras_mixer.profiling.profiles import Profile, benchmark
from keras_mixer.profiling.speed import Point, Sweep, Task, sweep

__all__ = [
    "CLASSES",
    "DEVICES",
    "IMAGES",
    "DeviceType",
    "Machine",
    "Plan",
    "Point",
    "PretrainingCost",
    "Profile",
    "Sweep",
    "Task",
    "benchmark",
    "global_settings",
    "macs",
    "matmul_ceiling",
    "peak_growth",
    "plan",
    "pretraining_costs",
    "sweep",
    "this_machine",
    "throughput",
]
