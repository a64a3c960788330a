"""Importing any module of the package loads no quantum SDK and no heavy optional package."""

import json
import pkgutil
import subprocess
import sys

import pytest

import hqlm

OPTIONAL = (
    "pennylane", "qiskit", "qiskit_aer", "cirq", "sentence_transformers", "transformers", "peft", "ray", "wandb",
    "datasets", "statsmodels", "matplotlib", "sklearn", "scipy", "pytest", "hypothesis", "openfermion", "pyscf",
)  # fmt: skip
# what comes with the core dependencies themselves: torchmetrics, which lightning imports, loads transformers for its
# text metrics, scipy for its image metrics and matplotlib for its plots wherever they are installed, and numba loads
# scipy for its linear algebra
CORE = ("torch", "lightning", "torchmetrics", "jsonargparse", "numba")
PARTS = sorted(
    info.name
    for info in pkgutil.walk_packages(hqlm.__path__, "hqlm.")
    # suites are pytest's; an estimator derives from a class of scikit-learn, and no other module imports it
    if not info.name.startswith(
        ("hqlm.testing", "hqlm.__main__", "hqlm.estimator", "hqlm.algorithms.kernel_classifier")
    )
)


def loaded(modules):
    """Optional packages in `sys.modules` of a new process after it has imported `modules`."""
    code = (
        "import importlib, json, sys\n"
        f"for name in {list(modules)!r}: importlib.import_module(name)\n"
        f"print(json.dumps([name for name in {OPTIONAL!r} if name in sys.modules]))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return set(json.loads(result.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def core():
    return loaded(CORE)


def test_the_core_dependencies_load_nothing_optional_but_what_torchmetrics_and_numba_use(core):
    assert core <= {"transformers", "scipy", "matplotlib"}


def test_importing_hqlm_loads_no_optional_package(core):
    assert loaded(["hqlm"]) <= core


def test_importing_every_module_loads_no_optional_package(core):
    assert loaded(PARTS) <= core
