"""Callbacks and loggers that follow a run and write its folder."""

from hqlm.callbacks.checkpoints import BestCheckpoint, BodyFolder, LastCheckpoint, RandomState
from hqlm.callbacks.files import ConfigFile, MetricsFile, PredictionsFile, SolutionFile
from hqlm.callbacks.times import InferenceSpeed, StepTime, TimeEstimate, TrainingTime
from hqlm.callbacks.wandb_logger import WandbRun, finish_open_run
from hqlm.callbacks.wandb_report import WandbReport

__all__ = [
    "BestCheckpoint",
    "BodyFolder",
    "ConfigFile",
    "InferenceSpeed",
    "LastCheckpoint",
    "MetricsFile",
    "PredictionsFile",
    "RandomState",
    "SolutionFile",
    "StepTime",
    "TimeEstimate",
    "TrainingTime",
    "WandbReport",
    "WandbRun",
    "finish_open_run",
]
