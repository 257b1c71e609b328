"""Reads what the real W&B client wrote offline: records in the framing of LevelDB's log."""

import json
import struct
import zlib
from pathlib import Path

BLOCK, HEADER, PREAMBLE = 32768, 7, 7
WHOLE, FIRST, LAST = 1, 2, 4


def payloads(data):
    assert data[:4] == b":W&B"
    place, gathered = PREAMBLE, b""
    while place + HEADER <= len(data):
        room = BLOCK - place % BLOCK
        if room < HEADER:  # the rest of a block that holds no header is padding
            place += room
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, place)
        piece = data[place + HEADER : place + HEADER + length]
        assert zlib.crc32(bytes([kind]) + piece) == checksum
        gathered = piece if kind in (WHOLE, FIRST) else gathered + piece
        place += HEADER + length
        if kind in (WHOLE, LAST):
            yield gathered


def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def read_run(file):
    """One run as a dictionary: identity, config, history rows, summary, artifacts, exit code."""
    from wandb.proto import wandb_internal_pb2

    found = {"history": [], "summary": {}, "artifacts": {}, "exit": None, "config": {}}
    for payload in payloads(Path(file).read_bytes()):
        record = wandb_internal_pb2.Record.FromString(payload)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found |= {
                "id": run.run_id,
                "name": run.display_name,
                "project": run.project,
                "entity": run.entity,
                "group": run.run_group,
                "job_type": run.job_type,
                "tags": set(run.tags),
            }
            found["config"] |= values(run.config.update)
        elif kind == "config":
            found["config"] |= values(record.config.update)
        elif kind == "history":
            found["history"].append(values(record.history.item))
        elif kind == "summary":
            found["summary"] |= values(record.summary.update)
        elif kind == "artifact":
            paths = {entry.path for entry in record.artifact.manifest.contents}
            found["artifacts"][record.artifact.name] = paths
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def read_runs(folder):
    """Every offline run of a run folder, by id."""
    files = sorted(Path(folder).glob("wandb/offline-run-*/run-*.wandb"))
    runs = [read_run(file) for file in files]
    assert len({run["id"] for run in runs}) == len(runs), "a run was written twice"
    return {run["id"]: run for run in runs}
