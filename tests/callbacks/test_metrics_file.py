"""metrics.csv, line by line."""

from hqlm.callbacks import MetricsFile


def test_new_columns_are_added_to_old_rows(tmp_path):
    logger = MetricsFile(tmp_path / "metrics.csv")
    logger.log_metrics({"train/loss": 0.5, "epoch": 0}, 0)
    logger.log_metrics({"val/acc": 0.25, "epoch": 0}, 1)
    logger.log_metrics({"train/loss": 0.125, "epoch": 1}, 2)
    assert logger.path.read_text() == "epoch,step,train/loss,val/acc\n0,0,0.5,\n0,1,,0.25\n1,2,0.125,\n"


def test_a_resumed_run_drops_what_will_come_again(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss\n0,0,0.5\n0,1,0.4\n1,2,0.3\n5,1")  # of step 10 or more
    logger = MetricsFile(tmp_path / "metrics.csv", resumed_at=2)
    logger.log_metrics({"train/loss": 0.25, "epoch": 1}, 2)
    logger.log_metrics({"train/loss": 0.125, "epoch": 1}, 3)
    assert logger.path.read_text() == "epoch,step,train/loss\n0,0,0.5\n0,1,0.4\n1,2,0.25\n1,3,0.125\n"


def test_a_new_run_starts_a_new_file(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss\n0,0,0.5\n")
    MetricsFile(tmp_path / "metrics.csv").log_metrics({"train/loss": 0.25, "epoch": 0}, 0)
    assert (tmp_path / "metrics.csv").read_text() == "epoch,step,train/loss\n0,0,0.25\n"
