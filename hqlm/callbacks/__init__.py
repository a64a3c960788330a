"""What watches a run and writes its folder, one idea a file."""

from hqlm.callbacks.body_folder import BodyFolder
from hqlm.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from hqlm.callbacks.config_file import ConfigFile
from hqlm.callbacks.metrics_file import MetricsFile
from hqlm.callbacks.predictions_file import PredictionsFile
from hqlm.callbacks.random_state import RandomState
from hqlm.callbacks.solution_file import SolutionFile
from hqlm.callbacks.step_time import StepTime
from hqlm.callbacks.time_estimate import TimeEstimate
from hqlm.callbacks.training_time import TrainingTime
from hqlm.callbacks.wandb_run import WandbRun, finish_open_run

__all__ = [
    "BestCheckpoint",
    "BodyFolder",
    "ConfigFile",
    "LastCheckpoint",
    "MetricsFile",
    "PredictionsFile",
    "RandomState",
    "SolutionFile",
    "StepTime",
    "TimeEstimate",
    "TrainingTime",
    "WandbRun",
    "finish_open_run",
]
