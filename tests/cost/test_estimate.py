"""Time and energy against closed forms, and the published point where hardware and simulation meet."""

import math
from dataclasses import replace

import pytest

from hqlm.circuits import Circuit, Gate, Input, PauliString, RepeatedUpload, RingAnsatz, Weight
from hqlm.cost import DEVICES, Device, Rows, Simulator, break_even, estimate, plot, workload
from hqlm.cost.estimate import SIMULATION, Point
from hqlm.cost.table import duration, energy
from hqlm.errors import ConfigError
from hqlm.execution import Execution

ROWS = Rows(train=100, val=20, epochs=3, sanity=10)
IONS = DEVICES["trapped_ion"].device


def head(n_qubits):
    """The paper's second module: N = 2 uploads, R = 2 main layers, C = 2, one qubit read."""
    ansatz = RingAnsatz(connectivity=2)
    return RepeatedUpload(n_blocks=2, n_main_layers=2).circuit(n_qubits, 1, ansatz, [PauliString.z(0, n_qubits)])


def costs(sizes, device=IONS, simulator=Simulator(), shots=100, **settings):
    circuits = [head(size) for size in sizes]
    work = workload(circuits[0], ROWS, Execution(**settings), True, shots)
    return estimate(circuits, work, {"trapped_ion": device}, simulator)


@pytest.mark.parametrize(
    ("gradient", "repeats"), [("auto", 2 * 1 + 4), ("adjoint", 2 * 1 + 4), ("spsa", 2), ("surrogate", 0)]
)
def test_circuits_of_a_training_run(gradient, repeats):
    gates = (Gate("RY", (0,), Weight(0)), Gate("CRY", (0, 1), Weight(1)), Gate("RY", (1,), Input(0)))
    circuit = Circuit(2, gates, (PauliString("ZI"), PauliString("XX")))  # two choices of bases
    work = workload(circuit, ROWS, Execution(gradient=gradient), False, 50)
    assert work.forward == 2 * (3 * 100 + 3 * 20 + 10)
    assert work.backward == 2 * repeats * 3 * 100
    trained = workload(circuit, ROWS, Execution(gradient=gradient), True, 50)
    assert trained.repeats == repeats + (2 if gradient in ("auto", "adjoint") else 0)


def test_time_and_energy_follow_from_the_assumptions():
    cost = costs([4], shots=70)
    found, work = cost.devices["trapped_ion"], cost.workload
    shot = 200e-6 + 130e-6 * found.gates.one_qubit + 970e-6 * found.gates.two_qubit
    assert found.shot_seconds == pytest.approx(shot)
    assert found.row_joules == pytest.approx(70 * shot * 3e3)
    assert found.training_seconds == pytest.approx(work.circuits * 70 * shot)
    assert found.training_joules == pytest.approx(found.training_seconds * 3e3)
    circuit = replace(head(4), observables=(PauliString("ZIII"), PauliString("XIII")))  # in two bases
    both = workload(circuit, ROWS, Execution(), True, 70)
    twice = estimate([circuit], both, {"trapped_ion": IONS}, Simulator()).devices["trapped_ion"]
    assert twice.row_joules == pytest.approx(2 * found.row_joules)
    assert twice.training_seconds == pytest.approx(2 * found.training_seconds)
    gates = cost.gates.one_qubit + cost.gates.two_qubit
    assert cost.simulation_joules == pytest.approx(gates * 2 * 16 * 2**4 / 3.35e12 * 1275)
    assert cost.simulation_training_joules == pytest.approx(cost.simulation_joules * (3 * 300 + 70))


def test_hardware_grows_linearly_simulation_exponentially_and_they_meet_near_34_qubits():
    cost = costs([14, 24, 34, 44])
    ions = [point.joules["trapped_ion"] for point in cost.points]
    simulated = [point.joules[SIMULATION] for point in cost.points]
    for step in range(3):  # energy = a + b n: equal steps of qubits take equal energies
        assert ions[step + 1] - ions[step] == pytest.approx(ions[1] - ions[0], rel=0.02)
        assert 10.0 < math.log2(simulated[step + 1] / simulated[step]) < 11.0
    # Knitter et al. (2026), arXiv:2605.02798: around 34; whether from one experiment or ours, a qubit is a factor of 2
    assert cost.break_even["trapped_ion"] == pytest.approx(34.0, abs=1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"device": Device(130e-6, 970e-6, 200e-6, 6e3)},
        {"device": Device(260e-6, 1940e-6, 400e-6, 3e3)},
        {"shots": 200},
        {"simulator": Simulator(bytes_per_amplitude=8.0)},
        {"simulator": Simulator(watts=637.5)},
        {"simulator": Simulator(bytes_per_second=6.7e12)},
    ],
)
def test_a_factor_of_two_moves_the_meeting_point_by_one_qubit(change):
    sizes = [24, 34, 44]
    moved = costs(sizes, **change).break_even["trapped_ion"] - costs(sizes).break_even["trapped_ion"]
    assert moved == pytest.approx(1.0, abs=0.1)


def test_the_meeting_point_between_two_sizes_and_none_outside_them():
    points = [Point(n, {}, {"trapped_ion": 2.0**5, SIMULATION: 2.0**n}) for n in (2, 4, 8)]
    assert break_even(points, "trapped_ion") == pytest.approx(5.0)
    at_a_size = [points[0], Point(5, {}, {"trapped_ion": 2.0**5, SIMULATION: 2.0**5})]
    assert break_even(at_a_size, "trapped_ion") == pytest.approx(5.0)
    assert break_even(points[:2], "trapped_ion") is None
    assert break_even(points[2:], "trapped_ion") is None


def test_numbers_are_told_in_units_that_suit_them():
    assert [duration(s) for s in (2e-7, 0.0125, 75.0, 7200.0, 4e5, 3.2e8)] == [
        "200 ns", "12.5 ms", "1.25 minutes", "2 hours", "4.63 days", "10.1 years",
    ]  # fmt: skip
    assert [energy(j) for j in (3e-4, 2.5, 4200.0, 7.2e6, 3.6e12)] == [
        "300 uJ",
        "2.5 J",
        "4,200 J",
        "2 kWh",
        "1,000 MWh",
    ]


def test_assumptions_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="watts"):
        Device(1.0, 1.0, 1.0, -1.0)
    with pytest.raises(ConfigError, match="bytes_per_second"):
        Simulator(bytes_per_second=0.0)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_figure(tmp_path, suffix):
    path = tmp_path / f"figures/cost.{suffix}"
    plot.check(path)
    plot.draw(costs([24, 34, 44]), path)
    assert path.stat().st_size > 5000


def test_a_figure_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="svg"):
        plot.check(tmp_path / "cost.gif")
