"""Experimental designs, one a file."""

from hqlm.registry import Registry
from hqlm.studies.designs.base import Design, Setting, Trial

DESIGNS: Registry[Design] = Registry(Design, "design")  # type: ignore[type-abstract]

__all__ = ["DESIGNS", "Design", "Setting", "Trial"]
