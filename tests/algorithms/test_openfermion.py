"""Hamiltonians of OpenFermion against PennyLane's, PySCF's energies and matrices; what is none is refused."""

import re
from pathlib import Path

import numpy as np
import openfermion
import pytest
from pyscf import fci, gto, scf

from hqlm.algorithms import Hamiltonian, MolecularDataFile, Molecule, OpenFermionMolecule, from_openfermion
from hqlm.errors import DataError, MissingDependency
from hqlm.registry import check_installed
from tests.commands.conftest import ROOT, run  # noqa: F401 (a fixture)

DATA = Path(openfermion.__file__).parent / "testing/data"
LIH = DATA / "H1-Li1_sto-3g_singlet_1.45.hdf5"
WORDS = openfermion.QubitOperator("X0 Y2", 0.5) + openfermion.QubitOperator("Z1", -2.0) + 3.0
HOPPING = openfermion.FermionOperator("2^ 0", 1.0 + 0.5j)
HERMITIAN = HOPPING + openfermion.hermitian_conjugated(HOPPING) + openfermion.number_operator(3)
CHEMISTRY = openfermion.MolecularData(filename=str(DATA / "H2_sto-3g_singlet_0.7414.hdf5"))


def test_words_name_qubits_from_the_left():
    assert dict(from_openfermion(WORDS).terms) == {"XIY": 0.5, "IZI": -2.0, "III": 3.0}
    assert from_openfermion(WORDS, n_qubits=4).n_qubits == 4


@pytest.mark.parametrize(
    "operator",
    [
        WORDS,
        HERMITIAN,
        CHEMISTRY.get_molecular_hamiltonian(),
        openfermion.get_diagonal_coulomb_hamiltonian(openfermion.fermi_hubbard(2, 1, 1.0, 4.0)),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_the_matrix_is_that_of_openfermion(operator):
    expected = openfermion.get_sparse_operator(operator).toarray()
    np.testing.assert_allclose(from_openfermion(operator).matrix.toarray(), expected, atol=1e-12)


def test_majorana_operators_are_those_of_their_fermions():
    assert from_openfermion(openfermion.get_majorana_operator(HERMITIAN)).is_near(from_openfermion(HERMITIAN))


def test_another_transformation_has_the_same_energies():
    operator = CHEMISTRY.get_molecular_hamiltonian()
    elsewhere = openfermion.bravyi_kitaev(openfermion.get_fermion_operator(operator))
    assert from_openfermion(elsewhere).ground.energy == pytest.approx(from_openfermion(operator).ground.energy)


def test_molecular_data_have_the_energy_of_full_configuration_interaction():
    assert from_openfermion(CHEMISTRY).ground.energy == pytest.approx(CHEMISTRY.fci_energy, abs=1e-6)
    file = MolecularDataFile(str(LIH)).hamiltonian()
    assert file.n_qubits == 12
    assert file.ground.energy == pytest.approx(openfermion.MolecularData(filename=str(LIH)).fci_energy, abs=1e-6)


def test_hydrogen_is_that_of_pennylane():
    ours, theirs = dict(OpenFermionMolecule().hamiltonian().terms), dict(Molecule().hamiltonian().terms)
    assert ours == pytest.approx({word: theirs.get(word, 0.0) for word in ours}, abs=1e-6)


def test_a_frozen_core_is_that_of_pennylane():
    atoms = (("Li", 0.0, 0.0, 0.0), ("H", 0.0, 0.0, 1.595))
    found = OpenFermionMolecule(atoms, active_electrons=2, active_orbitals=5).hamiltonian()
    theirs = Hamiltonian.read(ROOT / "hqlm/configs/algorithms/lih.json")
    assert found.n_qubits == theirs.n_qubits
    assert found.ground.energy == pytest.approx(theirs.ground.energy, abs=1e-6)


def test_open_shells_have_the_energy_of_pyscf():
    atom = gto.M(atom="Li 0 0 0", basis="sto-3g", spin=1, verbose=0)
    expected = fci.FCI(scf.ROHF(atom).run()).kernel()[0]
    found = OpenFermionMolecule((("Li", 0.0, 0.0, 0.0),), multiplicity=2).hamiltonian()
    assert found.ground.energy == pytest.approx(expected, abs=1e-6)


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    OpenFermionMolecule().hamiltonian()
    assert not list(tmp_path.iterdir())


def test_the_eigensolver_takes_a_file_from_the_command_line(run):  # noqa: F811
    problem = ["--model.problem=MolecularDataFile", f"--model.problem.path={DATA}/H2_sto-3g_singlet_0.7414.hdf5"]
    config = f"--config={ROOT}/hqlm/configs/algorithms/vqe_h2.yaml"
    assert run("fit", config, *problem, "--name=file", "--trainer.enable_progress_bar=false").code == 0
    result = run("test", "--ckpt_path=file")
    assert result.code == 0
    metrics = Path("runs/file/test-1/metrics.json").read_text()
    assert float(re.search(r'"test/error": ([-0-9.e]+)', metrics)[1]) < 1.6e-3


@pytest.mark.parametrize(
    ("operator", "n_qubits", "message"),
    [
        (openfermion.FermionOperator("2^ 0", 1.0), None, "not Hermitian"),
        (WORDS * 1j, None, "not Hermitian"),
        (WORDS, 2, "acts on 3 qubits, given n_qubits=2"),
        (openfermion.BosonOperator("0^ 0"), None, "cannot transform a BosonOperator"),
        (openfermion.MolecularData([("H", (0, 0, 0))], "sto-3g", 2, filename="none"), None, "has no integrals"),
        (7, None, "cannot transform a int"),
    ],
)
def test_what_is_no_hamiltonian_is_refused(operator, n_qubits, message):
    with pytest.raises(DataError, match=message):
        from_openfermion(operator, n_qubits)


@pytest.mark.filterwarnings("ignore:Basis may be available in basis-set-exchange:UserWarning")
@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (OpenFermionMolecule(basis="none"), "PySCF cannot compute"),
        (OpenFermionMolecule(charge=1), "PySCF cannot compute"),  # one electron is no singlet
        (OpenFermionMolecule((("Xx", 0.0, 0.0, 0.0),)), "PySCF cannot compute"),
        (OpenFermionMolecule(()), "PySCF cannot compute"),
        (OpenFermionMolecule(active_electrons=1), "an even number must be frozen"),
        (OpenFermionMolecule(active_electrons=4), "an even number must be frozen"),
        (OpenFermionMolecule(active_orbitals=3), "an even number must be frozen"),
        (MolecularDataFile("absent.hdf5"), r"absent\.hdf5 is not a file"),
        (MolecularDataFile(str(ROOT / "README.md")), "README.md is not a file"),
    ],
    ids=str,
)
def test_an_impossible_molecule_is_refused(problem, message):
    with pytest.raises(DataError, match=message):
        problem.hamiltonian()


def test_a_field_that_does_not_settle_is_refused(monkeypatch):
    monkeypatch.setattr("pyscf.scf.hf.SCF.max_cycle", 1)
    with pytest.raises(DataError, match="does not converge"):
        OpenFermionMolecule((("Li", 0.0, 0.0, 0.0), ("H", 0.0, 0.0, 1.6))).hamiltonian()


@pytest.mark.parametrize("kind", [MolecularDataFile, OpenFermionMolecule])
def test_without_openfermion_its_extra_is_named(monkeypatch, kind):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    check_installed.cache_clear()
    with pytest.raises(MissingDependency, match=r"hqlm\[openfermion\]"):
        kind("m.hdf5").hamiltonian()
    check_installed.cache_clear()
