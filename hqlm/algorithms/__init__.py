"""Hybrid algorithms besides the text classifier, on the same circuits and backends."""

from hqlm.algorithms.energy import EnergyMinimizer
from hqlm.algorithms.hamiltonian import GroundLevel, Hamiltonian
from hqlm.algorithms.molecule import Molecule
from hqlm.algorithms.openfermion import MolecularDataFile, OpenFermionMolecule, from_openfermion
from hqlm.algorithms.optimizers import SPSA, QuantumNaturalGradient, Rotosolve, SciPyOptimizer
from hqlm.algorithms.problems import PROBLEMS, HamiltonianFile, IsingChain, PauliTerms, Problem
from hqlm.algorithms.qaoa import QAOA, Solution
from hqlm.algorithms.spin_problems import IsingTerms, MaxCut, MaxIndependentSet, Qubo, SpinProblem
from hqlm.algorithms.vqe import VQE
from hqlm.kernels import (
    FEATURE_MAPS,
    AmplitudeMap,
    FeatureMap,
    QuantumKernel,
    UploadMap,
    ZZFeatureMap,
    align,
    alignment,
)

__all__ = [
    "FEATURE_MAPS",
    "PROBLEMS",
    "QAOA",
    "SPSA",
    "VQE",
    "AmplitudeMap",
    "EnergyMinimizer",
    "FeatureMap",
    "GroundLevel",
    "Hamiltonian",
    "HamiltonianFile",
    "IsingChain",
    "IsingTerms",
    "MaxCut",
    "MaxIndependentSet",
    "MolecularDataFile",
    "Molecule",
    "OpenFermionMolecule",
    "PauliTerms",
    "Problem",
    "QuantumKernel",
    "QuantumNaturalGradient",
    "Qubo",
    "Rotosolve",
    "SciPyOptimizer",
    "Solution",
    "SpinProblem",
    "UploadMap",
    "ZZFeatureMap",
    "align",
    "alignment",
    "from_openfermion",
]
