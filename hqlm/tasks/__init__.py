"""Tasks: the meaning of a head's outputs, that is loss, metrics and predictions."""

from hqlm.registry import Registry
from hqlm.tasks.base import Task
from hqlm.tasks.single_label import Prediction, SingleLabel

TASKS: Registry[Task] = Registry(Task, "task")  # type: ignore[type-abstract]

__all__ = ["TASKS", "Prediction", "SingleLabel", "Task"]
