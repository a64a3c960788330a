"""Amazon Braket as a quantum backend of hqlm: its simulators on this machine, its devices by ARN."""

from hqlm_braket.backend import BraketBackend

__all__ = ["BraketBackend"]
