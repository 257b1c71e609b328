"""CPM's test stage: graph, virtual labels and the personal machine."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import LinearSVC

from baselines.design_matrix import DesignMatrix
from baselines.personal_machine import PersonalOptions, personal_machine, virtual_labels
from baselines.smoothness_graph import smoothness_graph
from baselines.squared_hinge import Problems

KINDS = ("band_heat", "band_binary", "knn_union", "knn_in_band")


def subject(seed, num_frames=60, dimension=6, num_sequences=2):
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((num_frames, dimension)).astype(np.float32)
    sequences = np.array([f"T{i * num_sequences // num_frames}" for i in range(num_frames)])
    numbers = np.concatenate(
        [
            np.cumsum(generator.integers(1, 4, n))
            for n in np.unique(sequences, return_counts=True)[1]
        ]
    )
    tracked = generator.random(num_frames) > 0.1
    return rows, sequences, numbers, tracked, generator


def laplacian(graph, num_frames):
    return graph.laplacian_times(torch.eye(num_frames, dtype=torch.float64)).numpy()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(KINDS), st.integers(0, 8))
def test_laplacian_is_symmetric_with_rows_of_sum_zero_and_no_negative_value(seed, kind, tau):
    rows, sequences, numbers, tracked, _ = subject(seed, num_frames=25)
    graph = smoothness_graph(
        torch.as_tensor(rows), sequences, numbers, tracked, kind=kind, tau=tau, neighbours=2
    )
    matrix = laplacian(graph, 25)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)
    np.testing.assert_allclose(matrix.sum(axis=1), 0, atol=1e-9)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9
    assert not matrix[~tracked].any()
    pairs = np.sort(np.stack([graph.first_E.numpy(), graph.second_E.numpy()], 1), axis=1)
    assert len(np.unique(pairs, axis=0)) == graph.num_edges
    if kind != "knn_union":
        first, second = pairs.T
        assert np.all(sequences[first] == sequences[second])
        gap = np.abs(numbers[first] - numbers[second])
        assert np.all((gap > 0) & (gap <= tau))


def test_band_holds_every_pair_near_in_time_and_heat_is_its_formula():
    rows, sequences, numbers, tracked, _ = subject(1)
    graph = smoothness_graph(torch.as_tensor(rows), sequences, numbers, tracked, tau=4)
    expected = {
        (i, j)
        for i in range(60)
        for j in range(i + 1, 60)
        if tracked[i]
        and tracked[j]
        and sequences[i] == sequences[j]
        and numbers[j] - numbers[i] <= 4
    }
    edges = list(zip(graph.first_E.tolist(), graph.second_E.tolist(), strict=True))
    assert {tuple(sorted(e)) for e in edges} == expected
    distance = np.array([np.square(rows[i] - rows[j]).sum() for i, j in edges])
    scale = float(torch.as_tensor(distance).median())
    np.testing.assert_allclose(graph.weight_E.numpy(), np.exp(-distance / scale), rtol=1e-4)
    binary = smoothness_graph(
        torch.as_tensor(rows), sequences, numbers, tracked, tau=4, kind="band_binary"
    )
    assert torch.all(binary.weight_E == 1)


def test_nearest_neighbours_join_or_thin_the_band():
    rows, sequences, numbers, tracked, _ = subject(2)
    args = (torch.as_tensor(rows), sequences, numbers, tracked)

    def edges(kind):
        graph = smoothness_graph(*args, kind=kind, tau=6, neighbours=2)
        pairs = zip(graph.first_E.tolist(), graph.second_E.tolist(), strict=True)
        return {tuple(sorted(p)) for p in pairs}

    assert edges("knn_in_band") < edges("band_heat") < edges("knn_union")


def test_virtual_labels_need_both_machines():
    plus = torch.tensor([[1.0], [1.0], [-1.0], [-1.0], [0.0]])
    minus = torch.tensor([[2.0], [-2.0], [-2.0], [2.0], [1.0]])
    assert virtual_labels(plus, minus)[:, 0].tolist() == [1, 0, -1, 0, 0]


def personal(
    rows, sequences, numbers, tracked, virtual, *, C=10.0, gamma=0.0, mean=None, **options
):
    design = DesignMatrix(rows)
    graph = smoothness_graph(
        design.rows_ND, sequences, numbers, tracked, kind=options.pop("kind", "band_heat")
    )
    virtual = torch.as_tensor(virtual, dtype=torch.float32)
    columns = virtual.shape[1]
    mean = design.zeros(columns) if mean is None else mean
    return design, personal_machine(
        design,
        graph,
        virtual,
        mean,
        cost_K=torch.full((columns,), C),
        gamma_K=torch.full((columns,), gamma),
        options=PersonalOptions(tolerance=1e-8, **options),
    )


@pytest.mark.parametrize("balance", [True, False])
def test_without_smoothness_it_is_an_svm_on_the_easy_frames(balance):
    rows, sequences, numbers, tracked, generator = subject(3)
    virtual = generator.choice([-1.0, 0.0, 1.0], (60, 2), p=[0.5, 0.3, 0.2])
    _, weights = personal(rows, sequences, numbers, tracked, virtual, qss_balance=balance)
    for au in range(2):
        easy = virtual[:, au] != 0
        machine = LinearSVC(
            C=10.0 / easy.sum(),
            dual=False,
            tol=1e-10,
            max_iter=10000,
            class_weight="balanced" if balance else None,
        )
        machine.fit(rows[easy].astype(np.float64), virtual[easy, au])
        expected = np.r_[machine.coef_[0], machine.intercept_]
        np.testing.assert_allclose(weights[:, au].numpy(), expected, atol=1e-3)


def test_much_smoothness_makes_scores_constant_on_connected_parts():
    rows, sequences, numbers, _, generator = subject(4, dimension=60)
    tracked = np.ones(60, bool)
    virtual = generator.choice([-1.0, 1.0], (60, 2))
    spreads = []
    for gamma in (0.0, 1e7):
        design, weights = personal(
            rows, sequences, numbers, tracked, virtual, C=1e3, gamma=gamma, kind="band_binary"
        )
        scores = design.times(weights).numpy()
        parts = [scores[sequences == s] for s in np.unique(sequences)]
        spreads.append(max(float(np.ptp(part, axis=0).max()) for part in parts))
    assert spreads[0] > 1
    assert spreads[1] < 0.01


def test_one_class_of_virtual_labels_falls_back_to_the_mean_of_the_pair():
    rows, sequences, numbers, tracked, generator = subject(5)
    virtual = np.zeros((60, 3))
    virtual[:10, 0] = 1
    virtual[:, 2] = generator.choice([-1.0, 1.0], 60)
    mean = torch.as_tensor(generator.standard_normal((7, 3)), dtype=torch.float32)
    _, weights = personal(rows, sequences, numbers, tracked, virtual, mean=mean, gamma=10.0)
    torch.testing.assert_close(weights[:, :2], mean[:, :2])
    assert not torch.allclose(weights[:, 2], mean[:, 2])


def test_the_centre_draws_the_machine_towards_the_pair():
    rows, sequences, numbers, tracked, generator = subject(6)
    virtual = generator.choice([-1.0, 1.0], (60, 1))
    mean = torch.full((7, 1), 3.0)
    args = (rows, sequences, numbers, tracked, virtual)
    _, zero = personal(*args, mean=mean, C=1e-3, w0="zero")
    _, towards = personal(*args, mean=mean, C=1e-3, w0="mean")
    assert zero.abs().max() < 0.1
    torch.testing.assert_close(towards, mean, atol=0.2, rtol=0)


def test_the_order_of_the_frames_does_not_matter():
    rows, sequences, numbers, tracked, generator = subject(7)
    virtual = generator.choice([-1.0, 0.0, 1.0], (60, 2)) * tracked[:, None]
    for kind in KINDS:
        design, weights = personal(
            rows, sequences, numbers, tracked, virtual, gamma=100.0, kind=kind
        )
        order = generator.permutation(60)
        mixed_design, mixed = personal(
            rows[order],
            sequences[order],
            numbers[order],
            tracked[order],
            virtual[order],
            gamma=100.0,
            kind=kind,
        )
        np.testing.assert_allclose(
            mixed_design.times(mixed).numpy(), design.times(weights).numpy()[order], atol=2e-3
        )


@pytest.mark.parametrize("gamma", [0.0, 50.0])
def test_gradient_by_finite_differences(gamma):
    rows, sequences, numbers, tracked, generator = subject(8)
    design = DesignMatrix(rows)
    graph = smoothness_graph(design.rows_ND, sequences, numbers, tracked)
    signed = generator.choice([-1.0, 0.0, 1.0], (60, 1)) * generator.uniform(0.1, 2, (60, 1))
    weights, centre = generator.standard_normal((2, 7, 1))
    matrix = laplacian(graph, 60)
    augmented = np.c_[rows.astype(np.float64), np.ones(60)]

    def objective(w):
        scores = augmented @ w
        loss = np.abs(signed[:, 0]) * np.maximum(0, 1 - np.sign(signed[:, 0]) * scores) ** 2
        smooth = gamma / 2 * scores @ matrix @ scores
        return 0.5 * np.square(w - centre[:, 0]).sum() + loss.sum() + smooth

    problems = Problems(
        design=design,
        signed_NK=torch.as_tensor(signed, dtype=torch.float32),
        centre_DK=torch.as_tensor(centre, dtype=torch.float32),
        graph=graph,
        strength_K=torch.tensor([gamma]),
    )
    start = torch.as_tensor(weights, dtype=torch.float32)
    gradient, _, value = problems.gradient(start, design.times(start))
    assert float(value) == pytest.approx(objective(weights[:, 0]), rel=1e-4)
    step = 1e-5
    for d in range(7):
        shift = np.zeros(7)
        shift[d] = step
        slope = (objective(weights[:, 0] + shift) - objective(weights[:, 0] - shift)) / (2 * step)
        assert float(gradient[d, 0]) == pytest.approx(slope, rel=1e-3, abs=1e-2)
