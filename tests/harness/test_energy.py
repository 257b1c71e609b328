"""Energy from planted counters: a machine that lets them be read is not at hand everywhere."""

import ctypes
import time

import pytest

from harness import energy
from harness.energy import cpu_joules, gpu_joules, read_energy
from harness.provenance import Meter


class Machine:
    """A processor package of two, a part of it, and the machine's busy time."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.stat = folder / "powercap", folder / "stat"
        monkeypatch.setattr(energy, "POWERCAP", self.folder)
        monkeypatch.setattr(energy, "STAT", self.stat)
        monkeypatch.setattr(energy.os, "sysconf", lambda name: 100)

    def set(self, joules, busy):
        for name in ("intel-rapl:0", "intel-rapl:0:0"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / name / "energy_uj").write_text(f"{round(1e6 * joules)}\n")
            (self.folder / name / "max_energy_range_uj").write_text("1000000000\n")
        ticks = round(100 * busy)
        self.stat.write_text(f"cpu  {ticks} 0 0 7777 888 0 0 0 0 0\ncpu0 1 1 1\n")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_a_job_has_its_share_of_the_package(machine):
    machine.set(joules=100, busy=50)
    before = read_energy(with_gpus=False)
    machine.set(joules=180, busy=60)
    after = read_energy(with_gpus=False)
    # 80 J in 10 busy seconds, of which 2.5 are the job's; the package's part is not added again.
    assert cpu_joules(before, after, 2.5) == pytest.approx(20)
    # More time than the coarse ticks say is all of it, not more than all.
    assert cpu_joules(before, after, 10.4) == pytest.approx(80)


def test_a_counter_that_starts_again(machine):
    machine.set(joules=990, busy=0)
    before = read_energy(with_gpus=False)
    machine.set(joules=20, busy=4)
    assert cpu_joules(before, read_energy(with_gpus=False), 4) == pytest.approx(30)


@pytest.mark.parametrize("gone", ["energy_uj", "max_energy_range_uj"])
def test_what_cannot_be_read_is_none(machine, gone):
    machine.set(joules=1, busy=1)
    (machine.folder / "intel-rapl:0" / gone).write_text("<unreadable>")
    nothing = read_energy(with_gpus=False)
    assert nothing.packages == {}
    assert cpu_joules(nothing, nothing, 1) is None
    assert gpu_joules(nothing, nothing, 1) is None


def test_the_meter_gives_energy_only_where_it_is_read(machine, monkeypatch):
    assert "cpu_joules" not in Meter(0).read()
    machine.set(joules=5, busy=1)
    meter = Meter(0)
    begun = time.process_time()
    while time.process_time() < begun + 0.02:
        pass
    machine.set(joules=7, busy=1)
    assert meter.read()["cpu_joules"] == pytest.approx(2)
    assert "gpu_joules" not in meter.read()


class Nvml:
    """NVML with two GPUs of 3 J and 5 J; the second has a UUID, a third no counter."""

    def __init__(self):
        self.open = 0
        self.joules = {1: 3.0, 2: 5.0}

    def nvmlInit_v2(self):
        self.open += 1
        return 0

    def nvmlShutdown(self):
        self.open -= 1

    def nvmlDeviceGetCount_v2(self, count):
        count._obj.value = 2
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, device):
        device._obj.value = index + 1
        return 0

    def nvmlDeviceGetHandleByUUID(self, name, device):
        device._obj.value = 2
        return 0 if name == b"GPU-2" else 6

    def nvmlDeviceGetTotalEnergyConsumption(self, device, millijoules):
        if device.value not in self.joules:
            return 3
        millijoules._obj.value = round(1000 * self.joules[device.value])
        return 0


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, (3.0, 5.0)),
        ("1", (5.0,)),
        ("GPU-2,0", (5.0, 3.0)),
        ("", ()),
        ("0,2", ()),
        ("GPU-9", ()),
    ],
)
def test_the_gpus_that_a_job_may_see(monkeypatch, visible, expected):
    nvml = Nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert read_energy(with_gpus=True).gpus == expected
    assert nvml.open == 0


def test_part_of_a_gpu_is_part_of_its_energy(monkeypatch):
    nvml = Nvml()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: nvml)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    before = read_energy(with_gpus=True)
    nvml.joules = {1: 13.0, 2: 35.0}
    after = read_energy(with_gpus=True)
    assert gpu_joules(before, after, 2) == pytest.approx(40)
    assert gpu_joules(before, after, 0.5) == pytest.approx(10)


def test_no_nvml_is_nothing(monkeypatch):
    monkeypatch.setattr(energy, "NVML", "libnot-there.so")
    assert read_energy(with_gpus=True).gpus == ()
