"""`hqlm components --check`: a sound component passes, a broken one fails by name."""

import subprocess
import sys

import pytest

from hqlm.testing import check
from tests.commands.conftest import Result

BROKEN = """
from dataclasses import dataclass
from hqlm.circuits import Ansatz, Gate, Weight
from hqlm.encoders import TextEncoder


@dataclass(frozen=True)
class GappyAnsatz(Ansatz):
    \"\"\"Weights 0, 2, 4 and so on.

    Args:
        stride: from one weight to the next.
    \"\"\"

    stride: int = 2

    def gates(self, n_qubits, n_layers):
        return tuple(Gate("RY", (k % n_qubits,), Weight(self.stride * k)) for k in range(n_qubits * n_layers))


@dataclass(frozen=True)
class AbsentEncoder(TextEncoder):
    \"\"\"Needs what nobody has.\"\"\"

    requires = ("a_package_that_nobody_wrote",)

    def build(self):
        raise AssertionError
"""


@pytest.fixture
def components(tmp_path):
    """Run `hqlm components` in a process of its own: it runs pytest, which does not run inside itself."""
    (tmp_path / "broken_parts.py").write_text(BROKEN)

    def call(*args: str) -> Result:
        command = [sys.executable, "-m", "hqlm", "components", "--plugins=broken_parts", *args]
        found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        return Result(found.returncode, found.stdout, found.stderr)

    return call


@pytest.mark.slow
def test_a_sound_component_keeps_every_promise(components):
    result = components("--check", "RingAnsatz", "--connectivity=3")
    assert result.code == 0
    assert "RingAnsatz(connectivity=3, ry_column=True)" in result.out
    assert "holds  every weight moves the state (1 case)" in result.out
    assert "FAILS" not in result.out
    assert "8 of 8 promises hold" in result.out


@pytest.mark.slow
def test_what_a_broken_component_does_not_keep_is_named(components):
    result = components("--check=GappyAnsatz")
    assert result.code == 1
    assert "FAILS  weights are numbered from zero in order of first use" in result.out
    assert "No gaps." in result.out
    assert "holds  no layers are no gates" in result.out
    assert components("--check=GappyAnsatz", "--stride=x").code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["RingAnsats"], "Did you mean 'RingAnsatz'"),
        (["TextModel"], "there is no contract for model components"),
        (["ProjectionFeatureEncoder"], "features"),
        (["RingAnsatz", "--depth=3"], "depth"),
    ],
)
def test_what_cannot_be_checked_is_refused(run, words, message):
    result = run("components", "--check", *words)  # refused before pytest is reached
    assert result.code == 2
    assert message in result.err


def test_a_component_whose_package_is_absent_is_refused(components):
    result = components("--check=AbsentEncoder")
    assert result.code == 2
    assert "AbsentEncoder needs a_package_that_nobody_wrote: pip install" in result.err


def test_options_without_a_check_are_refused(run):
    assert run("components", "--connectivity=3").code == 2


def test_a_promise_that_is_never_tried_does_not_hold():
    assert not check.Check("a promise", "that nobody tried").holds


@pytest.mark.slow
def test_a_backend_is_checked_with_what_it_declares(components):
    result = components("--check=StatevectorBackend", "--density_matrix_qubits=2")
    assert result.code == 1  # three noisy qubits are trajectories then: estimates, not exact values
    assert "equal seeds, equal samples: yes" in result.out
    assert "FAILS  each channel equals its kraus operators" in result.out
    assert "holds  samples are joint" in result.out
