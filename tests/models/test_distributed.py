"""Two processes train as one process with the same global batch does."""

import functools

import pytest
import torch
from lightning.pytorch import Trainer, seed_everything

from hqlm.data import ReviewsData
from hqlm.encoders import HashingEncoder, QuantumFeatureEncoder
from hqlm.models import HybridClassifier


def trained(folder, batch_size, **options):
    """The weights after two epochs on the CPU."""
    seed_everything(0, verbose=False)
    model = HybridClassifier(
        text_encoder=HashingEncoder(dim=15),
        feature_encoder=QuantumFeatureEncoder(n_qubits=4, n_layers=1),
        optimizer=functools.partial(torch.optim.SGD, lr=0.05),
        class_names=["negative", "positive"],
        embedding_dim=15,
    )
    model.configure_model()  # here, so that both runs start from the same weights
    before = {name: value.clone() for name, value in model.named_parameters()}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    none_kept = {"logger": False, "enable_checkpointing": False}
    trainer = Trainer(default_root_dir=folder, accelerator="cpu", max_epochs=2, **quiet, **none_kept, **options)
    trainer.fit(model, ReviewsData(batch_size=batch_size, limit_train=64, limit_val=32))
    assert all(not torch.equal(value, before[name]) for name, value in model.named_parameters())
    return dict(model.named_parameters())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_two_processes_give_the_weights_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("HQLM_CACHE", str(tmp_path / "cache"))
    one = trained(tmp_path, 32, devices=1)
    two = trained(tmp_path, 16, devices=2, strategy="ddp_spawn")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=1e-4)
