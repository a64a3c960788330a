"""The noise model, which has the same meaning on every backend."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache

from hqlm.errors import ConfigError
from hqlm.plain import PlainFields

_GATE_CHANNELS = ("one_qubit", "two_qubit", "amplitude_damping", "phase_damping")


@dataclass(frozen=True)
class Noise(PlainFields):
    """Probabilities from 0 to 1; after every gate the channels act in the order of the fields.

    Idle qubits, state preparation and basis changes before a measurement are noise-free.

    Args:
        one_qubit: probability that a uniformly random non-identity Pauli follows a one-qubit gate.
        two_qubit: the same after a two-qubit gate, over the 15 non-identity Pauli pairs.
        amplitude_damping: probability that an excited qubit of a gate decays.
        phase_damping: probability that a qubit of a gate loses its phase.
        readout: probability that a measured bit is flipped.

    Raises:
        ConfigError: for a value outside [0, 1].
    """

    one_qubit: float = 0.0
    two_qubit: float = 0.0
    amplitude_damping: float = 0.0
    phase_damping: float = 0.0
    readout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"noise.{name} is a probability and must lie between 0 and 1, given {value}")

    @property
    def gate_channels(self) -> frozenset[str]:
        """Names of the channels that follow gates and have a probability above 0."""
        return _gate_channels(self)


@lru_cache(maxsize=64)
def _gate_channels(noise: Noise) -> frozenset[str]:  # called several times in every step
    return frozenset(name for name in _GATE_CHANNELS if getattr(noise, name) > 0.0)
