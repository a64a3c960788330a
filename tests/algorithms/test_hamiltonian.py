"""Hamiltonians against Kronecker products and closed forms; what is no Hamiltonian is refused."""

import functools
import math

import numpy as np
import pytest
import torch

from hqlm.algorithms import (
    Hamiltonian,
    HamiltonianFile,
    IsingChain,
    IsingTerms,
    MaxCut,
    MaxIndependentSet,
    MolecularDataFile,
    Molecule,
    OpenFermionMolecule,
    PauliTerms,
    Qubo,
)
from hqlm.backends import StatevectorBackend
from hqlm.circuits import Circuit
from hqlm.errors import DataError
from hqlm.testing.recipes import assert_is_recipe
from hqlm.testing.strategies import random_states
from tests.commands.conftest import ROOT

PAULIS = {"I": np.eye(2), "X": np.array([[0, 1], [1, 0]]), "Y": np.array([[0, -1j], [1j, 0]]), "Z": np.diag([1, -1])}
MIXED = {"ZZI": 0.5, "IXY": -1.0, "YIY": 0.3, "III": 2.0, "XXX": 0.7}


def dense(terms):
    return sum(value * functools.reduce(np.kron, [PAULIS[letter] for letter in word]) for word, value in terms.items())


@pytest.mark.parametrize("terms", [MIXED, {"ZZ": 1.0, "YY": 0.5, "XI": -2.0}, {"Y": 1.0}], ids=str)
def test_the_matrix_is_the_sum_of_kronecker_products(terms):
    found = Hamiltonian.of(terms).matrix
    np.testing.assert_allclose(found.toarray(), dense(terms), atol=1e-14)
    assert np.iscomplexobj(found.data) == bool(np.iscomplexobj(dense(terms)) and np.abs(dense(terms).imag).max() > 0)


def test_lowest_level_moments_and_fidelity_are_those_of_the_dense_matrix():
    hamiltonian, matrix = Hamiltonian.of(MIXED), dense(MIXED)
    energies, vectors = np.linalg.eigh(matrix)
    psi = random_states(3, 4)
    ground = hamiltonian.ground
    assert ground.energy == pytest.approx(energies[0], abs=1e-12)
    level = vectors[:, energies < energies[0] + 1e-9]  # two states
    overlaps = (np.abs(psi.numpy() @ level.conj()) ** 2).sum(1)
    np.testing.assert_allclose(ground.fidelity(psi), overlaps, atol=1e-12)
    means = np.einsum("ri,ij,rj->r", psi.numpy().conj(), matrix, psi.numpy()).real
    squares = np.einsum("ri,ij,rj->r", psi.numpy().conj(), matrix @ matrix, psi.numpy()).real
    found = hamiltonian.moments(psi)
    np.testing.assert_allclose(found[0], means, atol=1e-12)
    np.testing.assert_allclose(found[1], squares - means**2, atol=1e-12)


def test_the_expectation_of_measured_values_is_the_mean_energy():
    hamiltonian, psi = Hamiltonian.of(MIXED), random_states(3, 2)
    circuit = Circuit(3, (), hamiltonian.observables)
    values = StatevectorBackend().expectations(circuit, torch.zeros(0, dtype=torch.float64), states=psi)
    assert "III" not in {string.letters for string in circuit.observables}
    torch.testing.assert_close(hamiltonian.expectation(values), hamiltonian.moments(psi)[0])


@pytest.mark.parametrize("n_qubits", [5, 12])
def test_the_critical_chain_has_the_energy_of_free_fermions(n_qubits):
    # open ends, J = h = 1: E = 1 - 1 / sin(pi / (4 n + 2)), Pfeuty (1970)
    expected = 1.0 - 1.0 / math.sin(math.pi / (4 * n_qubits + 2))
    assert Hamiltonian.ising_chain(n_qubits).ground.energy == pytest.approx(expected, rel=1e-10)


def test_a_level_of_several_states_counts_all_of_them():
    ring = Hamiltonian.ising_chain(10, field=0.0, periodic=True)  # all up or all down
    assert ring.ground.energy == pytest.approx(-10.0)
    assert ring.ground.states.shape[1] == 2
    dimers = Hamiltonian.of({"XX" + "I" * 8: -1.0})  # two of ten qubits: half of all states
    assert dimers.ground.states.shape[1] == 512
    near = Hamiltonian.of({"ZI": -1.0, "IZ": -1e-3})  # the next level lies 0.002 higher
    assert near.ground.states.shape[1] == 1


@pytest.mark.parametrize(
    ("letter", "n_qubits", "fields", "n_states"),
    [("X", 9, 3, 64), ("X", 10, 6, 16), ("Y", 10, 7, 8), ("X", 13, 10, 8), ("X", 13, 6, None)],
)
def test_qubits_that_no_term_touches_double_the_states_of_a_level(letter, n_qubits, fields, n_states):
    words = [("I" * wire + letter).ljust(n_qubits, "I") for wire in range(fields)]
    ground = Hamiltonian.of(dict.fromkeys(words, -1.0)).ground
    assert (ground and ground.states.shape[1]) == n_states  # None: more than 64
    if ground is not None:
        assert ground.energy == pytest.approx(-fields)
        np.testing.assert_allclose(ground.states.conj().T @ ground.states, np.eye(n_states), atol=1e-10)


def test_the_level_of_an_odd_ring_of_spins_has_two_momenta_of_two_spins():
    n_qubits = 13
    bonds = [{site, (site + 1) % n_qubits} for site in range(n_qubits)]
    words = ["".join(p if site in bond else "I" for site in range(n_qubits)) for bond in bonds for p in "XYZ"]
    assert Hamiltonian.of(dict.fromkeys(words, 1.0)).ground.states.shape[1] == 4


def test_a_large_one_is_not_diagonalised():
    large = Hamiltonian.ising_chain(40)
    assert large.ground is None
    with pytest.raises(DataError, match="does not fit"):
        _ = large.matrix


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({}, "at least one term"),
        ({"ZZ": 1.0, "Z": 1.0}, "'ZZ' has 2, 'Z' has 1"),
        ({"ZA": 1.0}, "letters I, X, Y and Z"),
        ({"": 1.0}, "letters I, X, Y and Z"),
        ({"ZZ": 1.0 + 0.5j}, "ZZ is not Hermitian"),
        ({"ZZ": "-0.5j"}, "ZZ is not Hermitian"),
        ({"ZZ": float("nan")}, "ZZ is not finite"),
        ({"ZZ": "much"}, "real number, given 'much'"),
        ({"ZZ": None}, "real number, given None"),
    ],
)
def test_what_is_no_hamiltonian_is_refused(terms, message):
    with pytest.raises(DataError, match=message):
        Hamiltonian.of(terms)


def test_files_are_read_and_written(tmp_path):
    hamiltonian = Hamiltonian.of({"ZI": 1e-5, "XX": -0.25})
    hamiltonian.write(tmp_path / "h.json", {"molecule": "none"})
    (tmp_path / "h.yaml").write_text("ZI: 1e-05\nXX: -0.25\n")  # PyYAML reads 1e-05 as a word
    for name in ("h.json", "h.yaml"):
        assert HamiltonianFile(str(tmp_path / name)).hamiltonian() == hamiltonian


def test_nearness_looks_at_every_coefficient():
    one = Hamiltonian.of({"ZZ": 1.0})
    assert one.is_near(Hamiltonian.of({"ZZ": 1.0 + 1e-12, "XX": 1e-12}))
    assert not one.is_near(Hamiltonian.of({"ZZ": 1.0, "XX": 1e-8}))


def test_equal_letters_are_added_up():
    assert Hamiltonian((("ZI", 1.0), ("XX", 2.0), ("ZI", 0.5))).terms == (("ZI", 1.5), ("XX", 2.0))


@pytest.mark.parametrize("text", ["[1, 2]", "{", "!!map [a, b]", '{"terms": [1]}', "7"])
def test_a_file_without_terms_is_refused(tmp_path, text):
    (tmp_path / "h.json").write_text(text)
    with pytest.raises(DataError, match=r"h\.json"):
        Hamiltonian.read(tmp_path / "h.json")
    with pytest.raises(DataError, match=r"no\.json"):
        Hamiltonian.read(tmp_path / "no.json")


RECIPES = [
    PauliTerms(),
    HamiltonianFile("h.json"),
    IsingChain(3),
    Molecule(),
    OpenFermionMolecule(),
    MolecularDataFile("m.hdf5"),
    MaxCut(),
    MaxIndependentSet(),
    Qubo(),
    IsingTerms(),
]


@pytest.mark.parametrize("problem", RECIPES, ids=repr)
def test_a_problem_is_a_recipe(problem):
    assert_is_recipe(problem)


@pytest.mark.parametrize(("sites", "periodic"), [(1, False), (2, True)])
def test_a_chain_of_too_few_sites_is_refused(sites, periodic):
    with pytest.raises(DataError, match="or more sites"):
        IsingChain(sites, periodic=periodic).hamiltonian()


@pytest.mark.parametrize(("name", "text"), [("h.json", '{"terms": {"ZZ": 1, "ZZ": 2}}'), ("h.yaml", "ZZ: 1\nZZ: 2\n")])
def test_a_term_that_a_file_names_twice_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="'ZZ' is listed twice"):
        Hamiltonian.read(tmp_path / name)


def test_the_file_of_hydrogen_is_what_pennylane_makes():
    file = Hamiltonian.read(ROOT / "hqlm/configs/algorithms/h2.json")
    assert Molecule().hamiltonian().is_near(file)
    # full configuration interaction in this basis, e.g. Kandala et al. (2017), arXiv:1704.05018, figure 3
    assert file.ground.energy == pytest.approx(-1.1373, abs=1e-4)


@pytest.mark.slow
def test_the_file_of_lithium_hydride_is_what_pennylane_makes():
    molecule = Molecule((("Li", 0.0, 0.0, 0.0), ("H", 0.0, 0.0, 1.595)), active_electrons=2, active_orbitals=5)
    made, kept = molecule.hamiltonian(), Hamiltonian.read(ROOT / "hqlm/configs/algorithms/lih.json")
    assert made.ground.energy == pytest.approx(kept.ground.energy, abs=1e-9)
    ours, theirs = dict(made.terms), dict(kept.terms)  # signs of orbitals, and so of some terms, are arbitrary
    assert set(ours) == set(theirs)
    assert all(abs(ours[word]) == pytest.approx(abs(value), abs=1e-9) for word, value in theirs.items())


def test_an_impossible_molecule_is_refused():
    with pytest.raises(DataError, match="PennyLane cannot compute"):
        Molecule(active_electrons=8, active_orbitals=1).hamiltonian()


SCALES = (1e-60, 1e-12, 1e-8, 3e-9, 1.0, 1e12, 1e60)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("n_qubits", [4, 10])  # all eigenvalues, and Lanczos
@pytest.mark.parametrize("constant", [0.0, 1e8])
def test_levels_and_moments_have_the_scale_of_the_coefficients(scale, n_qubits, constant):
    chain = Hamiltonian.ising_chain(n_qubits, scale, 0.6 * scale)
    identity = ("I" * n_qubits, constant * scale)
    scaled, unit = Hamiltonian((*chain.terms, identity)), Hamiltonian.ising_chain(n_qubits, 1.0, 0.6)
    psi = random_states(n_qubits, 2)
    np.testing.assert_allclose(scaled.ground.fidelity(psi), unit.ground.fidelity(psi), rtol=1e-6)
    assert scaled.ground.states.shape[1] == 1
    assert scaled.ground.variable_part / scale == pytest.approx(unit.ground.energy, rel=1e-9)
    assert scaled.ground.energy == pytest.approx(scaled.ground.variable_part + constant * scale, rel=1e-12)
    means, variances = scaled.moments(psi)
    np.testing.assert_allclose(variances / scale**2, unit.moments(psi)[1], rtol=1e-9)
    np.testing.assert_allclose(means / scale - constant, unit.moments(psi)[0], atol=1e-15 * constant + 1e-9)


@pytest.mark.parametrize("scale", SCALES)
def test_nearness_is_relative_to_the_largest_coefficient(scale):
    one = Hamiltonian.of({"ZZ": scale, "XI": 0.1 * scale, "II": 1e8 * scale})
    for factor, near in ((1.0 + 1e-11, True), (1.0 + 1e-7, False), (7.0, False)):
        other = {"ZZ": scale, "XI": 0.1 * scale * factor, "II": 1e8 * scale}
        assert one.is_near(Hamiltonian.of(other)) == near == Hamiltonian.of(other).is_near(one)
    assert not one.is_near(Hamiltonian.of({"ZZ": scale, "XI": 0.1 * scale, "II": 1e8 * scale + scale}))
    assert not Hamiltonian.of({"ZZ": 1e-10}).is_near(Hamiltonian.of({"ZZ": 7e-10}))


def test_a_level_of_very_many_states_is_left_out_before_it_is_built():
    assert Hamiltonian.of({"Z" + "I" * 19: 1.0}).ground is None  # half of 2^20 states
    assert Hamiltonian.of({"Z" + "I" * 19: 1.0, "IZ" + "I" * 18: 0.0}).is_small


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"ZZ": 1e308}, "too large: 1e\\+308"),
        ({"ZZ": 10**400}, "too many digits"),
        ({"ZZ": 10**5000}, "too many digits"),
        ({"ZZ": -1e-300}, "too small"),
        ({"Z" * 100_000 + "A": 1.0}, "given 'ZZZ.*'$"),
        ({"ZZ": 1.0, "Z" * 100_000: 1.0}, "has 100000"),
        ({"ZZ": "9" * 100_000}, "not finite"),
        ({"ZZ": [1.0] * 100_000}, "real number"),
    ],
    ids=["float", "digits", "more-digits", "tiny", "letter", "lengths", "text", "list"],
)
def test_numbers_and_names_beyond_what_is_possible_are_refused_briefly(terms, message):
    with pytest.raises(DataError, match=message) as caught:
        Hamiltonian.of(terms)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("h.json", "[" * 100_000, "nested too deeply"),
        ("h.yaml", "- " * 100_000 + "1", "nested too deeply"),
        ("h.yaml", "&a {ZZ: *a}", "within that value itself"),
        ("h.json", '{"ZZ": ' + "9" * 5_000 + "}", "more than 4,300 digits"),
        ("h.yaml", "ZZ: " + "9" * 400, "too many digits"),
        ("h.json", '{"\\ud83d": 1}', "surrogate"),
        ("h.json", '{"ZZ": 1, "ZZ": 2}', "'ZZ' is listed twice"),
        ("h.yaml", "ZZ: 1\nZZ: 2", "'ZZ' is listed twice"),
        ("h.json", '{"terms": null}', "has no terms"),
    ],
)
def test_documents_that_cannot_be_hamiltonians_are_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        Hamiltonian.read(tmp_path / name)
    assert len(str(caught.value)) < 600


def test_a_chain_with_too_many_sites_is_refused_at_once():
    with pytest.raises(DataError, match="20,000,000,000 letters"):
        IsingChain(100_000).hamiltonian()


@pytest.mark.parametrize(
    "atoms",
    [
        (),
        5,
        ("H",),
        (("H", 0, 0),),
        (("H", "a", 0, 0),),
        (("H", math.nan, 0, 0), ("H", 0, 0, 1)),
        (("H", 0, 0, 0), ("H", 0, 0, 1e308)),
        (("H", 0, 0, 0), ("H", 0, 0, 0)),
        (("Xx", 0, 0, 0), ("H", 0, 0, 1)),
    ],
)
@pytest.mark.parametrize("kind", [Molecule, OpenFermionMolecule])
def test_geometries_of_no_molecule_are_refused(kind, atoms):
    with pytest.raises(DataError):
        kind(atoms).hamiltonian()


@pytest.mark.filterwarnings("ignore:Basis may be available in basis-set-exchange:UserWarning")
@pytest.mark.parametrize("kind", [Molecule, OpenFermionMolecule])
@pytest.mark.parametrize("options", [{"basis": "nope"}, {"charge": 1}, {"charge": 5}, {"charge": -50}], ids=str)
def test_electrons_and_bases_that_do_not_fit_are_refused(kind, options):
    with pytest.raises(DataError, match="cannot compute the Hamiltonian"):
        kind(**options).hamiltonian()


@pytest.mark.parametrize("multiplicity", [-1, 0, 2, 5])
def test_multiplicities_that_do_not_fit_are_refused(multiplicity):
    with pytest.raises(DataError, match="multiplicity"):
        OpenFermionMolecule(multiplicity=multiplicity).hamiltonian()


def test_a_key_beside_the_terms_is_refused(tmp_path):
    path = tmp_path / "h.json"
    path.write_text('{"about": {"any": 1}, "terms": {"ZZ": 1.0}}')
    assert Hamiltonian.read(path).terms == (("ZZ", 1.0),)
    path.write_text('{"terms": {"ZZ": 1.0}, "constant": 2.0}')
    with pytest.raises(DataError, match=r"h\.json has the unknown key 'constant'\. Known: terms, about"):
        Hamiltonian.read(path)
