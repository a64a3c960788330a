"""Experimental designs, one a file."""

from hqlm.registry import Registry
from hqlm.studies.designs.ablation import Ablation
from hqlm.studies.designs.base import Design, Setting, Trial
from hqlm.studies.designs.definitive_screening import DefinitiveScreening
from hqlm.studies.designs.fractional_factorial import FractionalFactorial
from hqlm.studies.designs.full_factorial import FullFactorial
from hqlm.studies.designs.latin_hypercube import LatinHypercube
from hqlm.studies.designs.orthogonal_array import OrthogonalArray
from hqlm.studies.designs.plackett_burman import PlackettBurman
from hqlm.studies.designs.random import RandomDesign
from hqlm.studies.designs.scaling import Scaling

DESIGNS: Registry[Design] = Registry(Design, "design")  # type: ignore[type-abstract]

__all__ = [
    "DESIGNS",
    "Ablation",
    "DefinitiveScreening",
    "Design",
    "FractionalFactorial",
    "FullFactorial",
    "LatinHypercube",
    "OrthogonalArray",
    "PlackettBurman",
    "RandomDesign",
    "Scaling",
    "Setting",
    "Trial",
]
