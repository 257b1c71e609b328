"""A W&B server for tests: answers what the real client asks of it, and keeps what it was sent."""

import gzip
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Recorded:
    """Runs by id, as the client described them; how the server is to behave."""

    def __init__(self):
        self.runs = {}
        self.bodies = []
        self.behaviour = "well"
        self.address = ""

    def run(self, name):
        empty = {"about": {}, "config": {}, "rows": {}, "summary": {}, "exit": None, "begun": 0}
        return self.runs.setdefault(name, empty)

    def answer(self, operation, given):
        if "UpsertBucket" in operation:
            return {"upsertBucket": {"bucket": self._described(given), "inserted": True}}
        if "RunResumeStatus" in operation:
            return {"model": self._resumable(given["name"])}
        if "Viewer" in operation:
            person = {"id": "u", "entity": "me", "username": "me", "name": "me", "email": "a@b.c"}
            return {"viewer": {**person, "admin": False, "flags": "{}", "teams": {"edges": []}}}
        if "CreateRunFiles" in operation:
            files = [{"name": f, "uploadUrl": f"{self.address}/put/{f}"} for f in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if "ServerFeatures" in operation:
            return {"serverInfo": {"features": []}}
        return {}

    def _described(self, given):
        run = self.run(given["name"])
        run["about"] |= {key: value for key, value in given.items() if value is not None}
        config = json.loads(given.get("config") or "{}")
        run["config"] |= {k: v["value"] for k, v in config.items() if k != "_wandb"}
        run["begun"] += given.get("displayName") is not None
        return {
            "id": f"bucket-{given['name']}",
            "name": given["name"],
            "displayName": given.get("displayName"),
            "description": None,
            "config": given.get("config"),
            "sweepName": None,
            "historyLineCount": len(run["rows"]),
            "project": {"id": "p", "name": given["project"], "entity": {"id": "e", "name": "me"}},
        }

    def _resumable(self, name):
        if name not in self.runs:
            return None
        run = self.runs[name]
        rows = [json.dumps(row) for _, row in sorted(run["rows"].items())]
        bucket = {
            "id": f"bucket-{name}",
            "name": name,
            "displayName": run["about"].get("displayName"),
            "summaryMetrics": json.dumps(run["summary"]),
            "logLineCount": 0,
            "eventsLineCount": 0,
            "historyLineCount": len(rows),
            "historyTail": json.dumps(rows[-1:]),
            "eventsTail": "[]",
            "config": json.dumps({k: {"value": v} for k, v in run["config"].items()}),
            "tags": run["about"].get("tags") or [],
            "notes": None,
            "wandbConfig": '{"t": 1}',
        }
        return {"id": "p", "name": "p", "entity": {"id": "e", "name": "me"}, "bucket": bucket}

    def stream(self, name, sent):
        run = self.run(name)
        for file, part in sent.get("files", {}).items():
            lines = [json.loads(line) for line in part["content"] if line.strip()]
            if file == "wandb-history.jsonl":
                for number, row in enumerate(lines, part["offset"]):
                    assert number not in run["rows"], "a row was sent twice"
                    run["rows"][number] = row
            elif file == "wandb-summary.json":
                run["summary"] = lines[-1]
        if sent.get("complete"):
            run["exit"] = sent["exitcode"]


@contextmanager
def recording_server():
    recorded = Recorded()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, data, status=200):
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def body(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            recorded.bodies.append(raw)
            return raw

        def do_GET(self):
            self.reply({})

        def do_PUT(self):
            self.body()
            self.reply({})

        def do_POST(self):
            raw = self.body()
            if recorded.behaviour == "silent":
                time.sleep(60)
            if recorded.behaviour == "refusing":
                self.reply({"errors": [{"message": f"no: {self.headers['Authorization']}"}]}, 400)
                return
            try:
                sent = json.loads(raw)
            except ValueError:
                self.reply({})
                return
            if self.path.startswith("/graphql"):
                operation = sent.get("operationName") or sent.get("query", "")
                self.reply({"data": recorded.answer(operation, sent.get("variables") or {})})
            else:
                if "file_stream" in self.path:
                    recorded.stream(self.path.split("/")[-2], sent)
                self.reply({"exitcode": None, "limits": {}})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorded.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield recorded
    finally:
        server.shutdown()
        server.server_close()
