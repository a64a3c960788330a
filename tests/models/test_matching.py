"""The classical head with as many parameters as another model."""

import pytest

from hqlm.encoders import HashingEncoder
from hqlm.errors import ConfigError
from hqlm.models import ClassicalClassifier, HeadShape, match_parameters


def torch_count(shape, dim, n_classes):
    model = ClassicalClassifier(
        HashingEncoder(dim=dim), hidden=shape.hidden, rank=shape.rank, class_names=["x"] * n_classes, embedding_dim=dim
    )
    model.configure_model()
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize("shape", [HeadShape(), HeadShape(3), HeadShape(None, (5,)), HeadShape(2, (7, 4))])
def test_counts_are_those_of_torch(shape):
    assert shape.parameters(12, 3) == torch_count(shape, 12, 3)


@pytest.mark.parametrize("n_classes", [2, 6])
@pytest.mark.parametrize("dim", [1, 2, 7, 12])
def test_no_shape_is_nearer(dim, n_classes):
    ranks = (None, *range(1, dim))
    shapes = [HeadShape(rank, hidden) for rank in ranks for hidden in ((), *((width,) for width in range(1, 120)))]
    counts = [shape.parameters(dim, n_classes) for shape in shapes]
    for wanted in (1, 5, 40, 41, 113, 260, 300):
        found = match_parameters(wanted, dim, n_classes).parameters(dim, n_classes)
        assert abs(found - wanted) == min(abs(count - wanted) for count in counts), wanted


def test_minilm_and_the_head_of_sst2():
    shape = match_parameters(740, 384, 2)
    assert abs(shape.parameters(384, 2) - 740) == 2  # ranks 1: 386 + 4 * hidden
    assert shape == HeadShape(1, (88,))
    assert match_parameters(770, 384, 2) == HeadShape()


@pytest.mark.parametrize("sizes", [(0, 4, 2), (5, 0, 2), (5, 4, 0)])
def test_sizes_that_cannot_be(sizes):
    with pytest.raises(ConfigError, match="1 or more"):
        match_parameters(*sizes)


def test_a_rank_that_cannot_be():
    with pytest.raises(ConfigError, match=r"model\.rank"):
        ClassicalClassifier(HashingEncoder(dim=4), rank=0)
