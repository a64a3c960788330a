"""The classical head with as many parameters as another one."""

import pytest

from hqlm.errors import ConfigError
from hqlm.heads import LinearHead, MatchedHead, MLPHead
from hqlm.heads.linear import Layers, count_parameters


@pytest.mark.parametrize("shape", [(None, ()), (3, ()), (None, (5,)), (2, (7, 4))])
def test_counts_are_those_of_torch(shape):
    counted = sum(each.numel() for each in Layers(12, *shape, 3).parameters())
    assert count_parameters(12, *shape, 3) == counted


@pytest.mark.parametrize("n_outputs", [2, 6])
@pytest.mark.parametrize("dim", [1, 2, 7, 12])
def test_no_shape_is_nearer(dim, n_outputs):
    ranks = (None, *range(1, dim))
    shapes = [(rank, hidden) for rank in ranks for hidden in ((), *((width,) for width in range(1, 120)))]
    counts = [count_parameters(dim, *shape, n_outputs) for shape in shapes]
    for wanted in (1, 5, 40, 41, 113, 260, 300):
        found, unit = MatchedHead(wanted).build(dim, n_outputs).size()
        assert unit == "trainable"
        assert abs(found - wanted) == min(abs(count - wanted) for count in counts), wanted


def test_minilm_and_the_head_of_sst2():
    shape = MatchedHead(740).shape(384, 2)
    assert abs(count_parameters(384, *shape, 2) - 740) == 2  # ranks 1: 386 + 4 * hidden
    assert shape == (1, (88,))
    assert MatchedHead(770).shape(384, 2) == (None, ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MatchedHead(0), r"head\.n_parameters must be 1 or more"),
        (lambda: LinearHead(rank=0), r"head\.rank must be 1 or more"),
        (lambda: MLPHead(hidden=(4, 0)), r"head\.hidden: widths must be 1 or more"),
        (lambda: MLPHead(rank=0), r"head\.rank must be 1 or more"),
    ],
)
def test_sizes_that_cannot_be(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
