import numpy as np
import pytest
import torch

from harness.errors import UserError
from hybrid.dropout import MaskSource, draw_masks_from
from hybrid.lstm_stack import build_stack, num_trained
from hybrid.options import SequenceOptions
from hybrid.segments import pack

COUNTS = {  # (layers, inputs): trained parameters without the head, one bias a gate
    (1, 4096): 4_457_472,
    (1, 1024): 1_311_744,
    (2, 4096): 4_982_784,
    (2, 1024): 1_837_056,
    (3, 4096): 5_508_096,
    (3, 1024): 2_362_368,
}
HEAD = 256 * 12 + 12


@pytest.mark.parametrize(("layers", "inputs"), COUNTS)
def test_number_of_trained_parameters(layers, inputs):
    stack = build_stack(SequenceOptions(layers=layers), inputs, 12, 0)
    assert num_trained(stack) == COUNTS[layers, inputs] + HEAD
    assert num_trained(stack.layers) == COUNTS[layers, inputs]


def test_the_only_stack_of_about_a_fifth_of_a_million():
    assert num_trained(build_stack(SequenceOptions(hidden=64), 512, 12, 0).layers) == 213_760


def test_initial_weights_lie_in_the_stated_range_and_forget_gates_are_open():
    stack = build_stack(SequenceOptions(hidden=32), 20, 12, 0)
    for name, value in stack.named_parameters():
        if "bias_ih" in name:
            assert (value[32:64] == 1).all()
            value = torch.cat([value[:32], value[64:]])
        assert value.abs().max() <= 0.08
        if "weight" in name:
            assert value.abs().max() > 0.07
    closed = build_stack(SequenceOptions(hidden=32, forget_bias=False), 20, 12, 0)
    assert closed.layers[0].bias_ih_l0.abs().max() <= 0.08


def _stepwise(stack, x):
    """The equations of a standard LSTM without peepholes, step by step."""
    for layer in stack.layers:
        weights, recurrent, bias = layer.weight_ih_l0, layer.weight_hh_l0, layer.bias_ih_l0
        h = c = torch.zeros(layer.hidden_size)
        outputs = []
        for frame in x:
            i, f, g, o = (weights @ frame + recurrent @ h + bias).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        x = torch.stack(outputs)
    return torch.tanh(stack.head(x)), x


def test_packed_segments_give_what_each_gives_alone_by_the_equations():
    stack = build_stack(SequenceOptions(hidden=5, layers=3), 4, 3, 0).eval()
    features = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    starts, lengths = np.array([0, 7, 10, 21]), np.array([7, 3, 11, 9])
    packing = pack(starts, lengths)
    scores, hidden = stack(features[torch.from_numpy(packing.order_M)], packing)
    by_row = torch.empty(30, 3)
    by_row[torch.from_numpy(packing.order_M)] = scores
    for start, length in zip(starts, lengths, strict=True):
        alone, _ = _stepwise(stack, features[start : start + length])
        assert torch.allclose(by_row[start : start + length], alone, atol=1e-6)
    assert scores.abs().max() < 1
    assert hidden.shape == (30, 5)


def _gradient_at_start(burnin):
    options = SequenceOptions(hidden=4, layers=2, dropout=0.3, burn_in=3, burnin=burnin, window=8)
    stack = build_stack(options, 4, 3, 0).train()
    source = MaskSource(generator=torch.Generator().manual_seed(5), num_rows=11)
    draw_masks_from(stack, source)
    x = torch.randn(11, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    packing = pack(np.array([0, 8]), np.array([8, 3]))
    scores, _ = stack(x, packing)
    begun = int(packing.batch_sizes_T[:3].sum())
    scores[begun:].sum().backward()
    return x.grad[:begun].abs().sum().item(), x.grad[begun:].abs().sum().item()


def test_detach_stops_the_gradient_at_the_end_of_the_burn_in():
    before, after = _gradient_at_start("mask_loss")
    assert before > 0
    assert after > 0
    before, after = _gradient_at_start("detach")
    assert before == 0
    assert after > 0


def test_detach_changes_no_value():
    values = []
    for burnin in ("mask_loss", "detach"):
        options = SequenceOptions(hidden=4, dropout=0, burn_in=3, burnin=burnin, window=8)
        stack = build_stack(options, 4, 3, 0).train()
        packing = pack(np.array([0, 8]), np.array([8, 3]))
        values.append(stack(torch.ones(11, 4), packing)[0])
    assert torch.allclose(*values, atol=1e-7)


def test_bidirectional_reads_the_future():
    packing = pack(np.array([0]), np.array([6]))
    for bidirectional in (False, True):
        options = SequenceOptions(hidden=4, bidirectional=bidirectional)
        stack = build_stack(options, 4, 3, 0).eval()
        x = torch.zeros(6, 4)
        changed = x.clone()
        changed[-1] = 5
        moved = (stack(x, packing)[0][0] - stack(changed, packing)[0][0]).abs().max() > 0
        assert bool(moved) is bidirectional


def test_last_h_takes_the_first_cells():
    stack = build_stack(SequenceOptions(hidden=8, head="last_h"), 4, 3, 0).eval()
    scores, hidden = stack(torch.ones(5, 4), pack(np.array([0]), np.array([5])))
    assert torch.equal(scores, torch.tanh(hidden[:, :3]))
    with pytest.raises(UserError, match="head 'last_h' needs hidden of 12 at least, not 8"):
        build_stack(SequenceOptions(hidden=8, head="last_h"), 4, 12, 0)
