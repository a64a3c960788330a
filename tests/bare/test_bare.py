"""Without any extra: nothing optional is imported, models train and predict, and what is missing is named.

These tests run in an environment of their own: `tox -e bare`.
"""

import os
import subprocess
import sys

import pytest

SMALL = [
    "--data=ReviewsData", "--data.limit_train=32", "--data.limit_val=16", "--data.limit_test=16",
    "--model.head.feature_encoder=QuantumFeatureEncoder", "--model.head.feature_encoder.n_qubits=4",
    "--trainer.max_epochs=1",
]  # fmt: skip


@pytest.fixture
def hqlm(tmp_path):
    def run(*args):
        environment = {**os.environ, "HQLM_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
        environment["HF_HOME"] = str(tmp_path / "hub")
        command = [sys.executable, "-m", "hqlm", *args]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_model_trains_tests_and_predicts(hqlm):
    hashing = ["--model.text_encoder=HashingEncoder", "--model.text_encoder.dim=15"]
    fit = hqlm("fit", "--name=bare", *SMALL, *hashing)
    assert fit.returncode == 0, fit.stderr
    for command in ("test", "predict"):
        result = hqlm(command, "--ckpt_path=bare")
        assert result.returncode == 0, result.stderr


def test_components_are_listed(hqlm):
    result = hqlm("components")
    assert result.returncode == 0, result.stderr
    assert "StatevectorBackend" in result.stdout
    for package in ("pennylane", "cirq"):
        assert f"[{package}: not installed]" in result.stdout


def test_missing_weights_name_the_extra(hqlm):
    result = hqlm("fit", *SMALL)
    assert result.returncode == 2
    assert "hqlm[offline]" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_missing_library_names_the_extra(hqlm):
    result = hqlm("fit", *SMALL, "--data=HubData", "--data.dataset=SetFit/sst2")
    assert result.returncode == 2
    assert "hqlm[hub]" in result.stderr
