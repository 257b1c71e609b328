"""Modes, logins, and blotting out keys."""

import subprocess
import sys

import pytest

from harness.errors import UserError
from harness.tracking.mirror import mirror_sweep
from harness.tracking.mode import choose_mode, has_key, redacted


@pytest.fixture
def no_login(login, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")


def test_a_key_decides_where_nobody_says(login, monkeypatch):
    assert choose_mode() == "online"
    assert choose_mode("offline") == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert choose_mode() == "disabled"
    assert choose_mode("online") == "online"
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    assert choose_mode() == "offline"


def test_without_a_key_it_is_offline_and_online_is_refused(no_login):
    assert choose_mode() == "offline"
    with pytest.raises(UserError, match="needs a login"):
        choose_mode("online")
    with pytest.raises(UserError, match="use online, offline, disabled"):
        choose_mode("sometimes")


def test_a_netrc_login_counts_for_its_own_server(no_login, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password s3cretkey\n")
    assert has_key()
    assert redacted("it was s3cretkey.") == "it was [key]."
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not has_key()
    (tmp_path / "netrc").write_text("not a netrc")
    assert not has_key()


def test_disabled_costs_nothing(hand_made, login, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    before = set(hand_made.texts())
    with mirror_sweep(hand_made.store, "disabled"):
        pass
    assert set(hand_made.texts()) == before


def test_the_driver_imports_no_wandb():
    code = "import sys, harness.tracking.mirror\nassert 'wandb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
