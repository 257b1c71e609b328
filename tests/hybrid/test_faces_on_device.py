import numpy as np
import pytest
import torch

from hybrid.faces_on_device import (
    Crops,
    FacesOnDevice,
    colour_statistics,
    filled,
    gathered,
    random_crops,
    reduced_faces,
)

CPU = torch.device("cpu")


def _faces(toy, residence="device", resolution=200, crop=176, **fields):
    given = {"mean": torch.tensor([10.0, 20.0, 30.0]), "scale": 2.0, **fields}
    return FacesOnDevice(
        toy.faces, resolution=resolution, crop=crop, device=CPU, residence=residence, **given
    )


def test_a_batch_is_the_crop_mirrored_and_normalised(toy):
    crops = Crops(table=torch.tensor([[7, 3], [0, 24], [5, 10], [0, 1]]))
    ((batch, rows),) = _faces(toy).batches([crops])
    assert rows.tolist() == [7, 3]
    assert batch.shape == (2, 3, 176, 176)
    assert batch.is_contiguous(memory_format=torch.channels_last)
    plain = toy.faces[7][0:176, 5:181].astype(np.float32)
    mirrored = toy.faces[3][24:200, 10:186][:, ::-1].astype(np.float32)
    for found, face in zip(batch, (plain, mirrored), strict=True):
        expected = (face - [10, 20, 30]) / 2
        assert np.allclose(found.permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_the_centre_crop_of_the_paper_begins_at_12(toy):
    (batch,) = _faces(toy.select(np.arange(1))).centred(4)
    expected = (toy.faces[0][12:188, 12:188].astype(np.float32) - [10, 20, 30]) / 2
    assert np.allclose(batch[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("resolution", [200, 72])
def test_streamed_faces_give_the_batches_of_resident_ones(toy, resolution):
    plan = [
        random_crops(torch.randint(0, len(toy), (5,)), resolution, 64, True, torch.Generator())
        for _ in range(9)
    ]
    resident = _faces(toy, "device", resolution, 64)
    streamed = _faces(toy, "stream", resolution, 64)
    assert resident.resident is not None
    assert streamed.resident is None
    pairs = zip(resident.batches(plan), streamed.batches(plan), strict=True)
    for (one, rows), (other, same_rows) in pairs:
        assert torch.equal(one, other)
        assert torch.equal(rows, same_rows)


def test_a_consumer_that_stops_early_leaves_no_thread_behind(toy):
    import threading

    batches = _faces(toy, "stream").centred(8)
    next(batches)
    batches.close()
    assert not [t for t in threading.enumerate() if t.name == "face-prefetch"]


def test_an_error_while_gathering_reaches_the_consumer(toy):
    beyond = Crops(table=torch.tensor([[len(toy)], [0], [0], [0]]))
    with pytest.raises(IndexError):
        list(_faces(toy, "stream").batches([beyond]))


def test_the_device_path_cuts_what_the_host_path_cuts():
    faces = torch.randint(0, 256, (6, 20, 20, 3), dtype=torch.uint8)
    crops = random_crops(torch.arange(6), 20, 16, True, torch.Generator().manual_seed(0))
    assert crops.table[3].unique().tolist() == [0, 1]
    shift = torch.randn(3).repeat(16)
    on_host = filled(faces, crops.table, 0.25, shift, torch.empty((6, 16, 16, 3)))
    cut = gathered(faces, crops.table, 16).view(6, 16, 48) * 0.25 + shift
    torch.testing.assert_close(on_host.view(6, 16, 48), cut, rtol=0, atol=1e-5)


@pytest.mark.parametrize("crop", [[6, 0, 0, 0], [0, 5, 0, 0], [0, 0, -1, 0], [-1, 0, 0, 1]])
def test_a_crop_outside_its_face_is_an_error(crop):
    faces = torch.zeros((6, 20, 20, 3), dtype=torch.uint8)
    with pytest.raises(IndexError, match="outside"):
        filled(faces, torch.tensor([crop]).T, 1.0, torch.zeros(48), torch.empty((1, 16, 16, 3)))


def test_memory_is_used_again_only_for_the_batch_after_the_next(toy):
    batches = _faces(toy).centred(8)
    first = next(batches)
    copy = first[0].clone()
    next(batches)
    assert torch.equal(first[0], copy)


def test_crops_cover_every_offset_and_workers_share_them():
    crops = random_crops(torch.zeros(4000).long(), 5, 3, True, torch.Generator().manual_seed(0))
    places, counts = torch.unique(crops.table[1:], dim=1, return_counts=True)
    assert places.shape[1] == 3 * 3 * 2
    assert counts.min() > 150
    halves = [crops.part(rank, 2).table for rank in range(2)]
    assert torch.equal(torch.stack(halves, 2).flatten(1), crops.table)
    still = random_crops(torch.zeros(50).long(), 5, 3, False, torch.Generator().manual_seed(0))
    assert still.table[3].sum() == 0


def test_reduction_is_an_area_average(toy):
    reduced = reduced_faces(toy.faces, np.array([2]), 50)
    blocks = toy.faces[2].reshape(50, 4, 50, 4, 3).mean((1, 3))
    assert np.abs(reduced[0] - blocks).max() <= 0.51


def test_colour_statistics(toy):
    mean, scale = colour_statistics(toy.faces, 200)
    pixels = toy.faces[:].reshape(-1, 3).astype(np.float64)
    assert np.allclose(mean.numpy(), pixels.mean(0), atol=1e-3)
    assert scale == pytest.approx(np.sqrt(pixels.var(0).mean()), rel=1e-4)
