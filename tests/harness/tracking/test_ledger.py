"""The ledger survives what a crash leaves, and keeps targets apart."""

from harness.tracking.ledger import Ledger


def test_what_is_noted_is_known_again(tmp_path):
    file = tmp_path / "wandb" / "ledger.jsonl"
    ledger = Ledger(file, "offline bench")
    assert ledger.attempt("a") == 1
    ledger.note("a", "failed 1")
    ledger.note("a", "done 2")
    again = Ledger(file, "offline bench")
    assert again.has("a", "done 2")
    assert not again.has("a", "failed 1")
    assert again.attempt("a") == 3
    assert not Ledger(file, "online bench").has("a", "done 2")


def test_a_line_that_was_cut_short_costs_itself_alone(tmp_path):
    file = tmp_path / "ledger.jsonl"
    ledger = Ledger(file, "t")
    ledger.note("a", "1")
    ledger.note("b", "1")
    file.write_bytes(file.read_bytes()[:-9])
    after = Ledger(file, "t")
    assert after.has("a", "1")
    assert not after.has("b", "1")
    after.note("c", "1")
    last = Ledger(file, "t")
    assert last.has("a", "1")
    assert last.has("c", "1")


def test_the_group_stays_when_the_suite_grows(tmp_path, hand_made):
    ledger = Ledger(tmp_path / "ledger.jsonl", "t")
    group = ledger.group(hand_made.plan)
    grown = type(hand_made.plan)(**{**vars(hand_made.plan), "cells": hand_made.plan.cells[:1]})
    assert Ledger(tmp_path / "ledger.jsonl", "u").group(grown) == group
    assert Ledger(tmp_path / "other.jsonl", "t").group(grown) != group
