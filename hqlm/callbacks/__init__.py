"""What watches a run and writes its folder, one idea a file."""

from hqlm.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from hqlm.callbacks.config_file import ConfigFile
from hqlm.callbacks.metrics_file import MetricsFile
from hqlm.callbacks.predictions_file import PredictionsFile
from hqlm.callbacks.random_state import RandomState
from hqlm.callbacks.solution_file import SolutionFile
from hqlm.callbacks.time_estimate import TimeEstimate
from hqlm.callbacks.training_time import TrainingTime

__all__ = [
    "BestCheckpoint",
    "ConfigFile",
    "LastCheckpoint",
    "MetricsFile",
    "PredictionsFile",
    "RandomState",
    "SolutionFile",
    "TimeEstimate",
    "TrainingTime",
]
