"""A hub on this machine: serves the files of a few repositories by the calls that huggingface_hub makes."""

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

API = re.compile(r"/api/(datasets|models)/([^/]+/[^/]+)(?:/(revision|tree)/([^/?]+))?")
FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class FakeHub:
    """files: "datasets/owner/name" or "models/owner/name" -> path -> bytes. asked: the paths of files fetched.

    broken: files of which only half is sent. gated: repositories that are described but give no file; unlisted: those
    that are described but do not list their files. commit: the one that every repository has.
    """

    files: Mapping[str, Mapping[str, bytes]]
    commit: str = "c0ffee" * 6 + "c0ff"
    asked: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    """Answers for one hub, which the server holds."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.answer(send_body=False)

    def do_GET(self) -> None:
        self.answer(send_body=True)

    def answer(self, send_body: bool) -> None:
        hub: FakeHub = self.server.hub
        path = unquote(urlsplit(self.path).path)
        if match := API.fullmatch(path.rstrip("/")) or API.match(path):
            self.describe(hub, f"{match[1]}/{match[2]}", match[3], match[4])
        elif match := FILE.fullmatch(path):
            self.file(hub, f"{'datasets' if match[1] else 'models'}/{match[2]}", match[3], match[4], send_body)
        else:
            self.reply(404, b"", {})

    def describe(self, hub: FakeHub, repository: str, kind: str | None, revision: str | None) -> None:
        if repository not in hub.files:
            return self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        if revision not in (None, "main", hub.commit):
            return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        files = hub.files[repository]
        if kind == "tree" and repository in hub.unlisted:
            return self.reply(404, b"{}", {})
        if kind == "tree":
            body: object = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
        else:
            siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
            body = {"id": repository.split("/", 1)[1], "sha": hub.commit, "siblings": siblings, "private": False}
        return self.reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def file(self, hub: FakeHub, repository: str, revision: str, name: str, send_body: bool) -> None:
        data = hub.files.get(repository, {}).get(name)
        if data is None or revision not in ("main", hub.commit):
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})
        if repository in hub.gated:
            return self.reply(403, b"", {"X-Error-Code": "GatedRepo"})
        headers = {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": hub.commit}
        if not send_body:
            return self.reply(200, b"", headers | {"Content-Length": str(len(data))})
        hub.asked.append(name)
        first = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        part, length = data[first:], len(data) - first
        headers |= {"Content-Length": str(length)}
        if name in hub.broken:
            part, self.close_connection = part[: length // 2], True
        return self.reply(206 if first else 200, part, headers | {"Accept-Ranges": "bytes"})

    def reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | dict(headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(files: Mapping[str, Mapping[str, bytes]]) -> Iterator[FakeHub]:
    """A hub of some repositories at `address`, until the end of the context."""
    hub = FakeHub(files)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.hub = hub
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
