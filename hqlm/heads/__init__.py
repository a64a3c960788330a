"""Heads: from an embedding to the outputs of a task; quantum heads and their classical baselines."""

from hqlm.heads.base import Head, HeadModule
from hqlm.heads.kernel import KernelHead
from hqlm.heads.linear import LinearHead
from hqlm.heads.matched import MatchedHead
from hqlm.heads.mlp import MLPHead
from hqlm.heads.quantum import QuantumHead
from hqlm.heads.solved import LogisticRegressionHead, RBFSVMHead
from hqlm.registry import Registry

HEADS: Registry[Head] = Registry(Head, "head")  # type: ignore[type-abstract]

__all__ = [
    "HEADS",
    "Head",
    "HeadModule",
    "KernelHead",
    "LinearHead",
    "LogisticRegressionHead",
    "MLPHead",
    "MatchedHead",
    "QuantumHead",
    "RBFSVMHead",
]
