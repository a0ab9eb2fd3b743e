"""A small copy of the hub's HTTP face, good enough for its real client, with faults on request."""

import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def git_blob(content):
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@dataclass
class Faults:
    """What goes wrong. Numbers of requests count down; bytes are per answer."""

    cut_after: int | None = None  # close the connection after so many bytes of a body ...
    cuts: int = 0  # ... so many times
    status: int = 0  # answer downloads with this status ...
    statuses: int = 0  # ... so many times
    stall_after: int | None = None  # say nothing more after so many bytes
    slow: float = 0.0  # seconds between pieces
    piece: int = 1 << 16
    no_range: bool = False
    redirect: bool = False  # downloads are at another address, as the hub's are
    corrupt: bool = False  # one bit of every body is turned
    lie_range: bool = False


@dataclass
class Seen:
    method: str
    path: str
    start: int
    sent: int = 0
    headers: dict = field(default_factory=dict)


class Hub:
    """`repositories`: name -> {path: bytes}; `plain`: path -> bytes. LFS is what is no JSON or text."""

    def __init__(self):
        self.repositories, self.plain = {}, {}
        self.commit = COMMIT
        self.faults = Faults()
        self.seen = []
        self.stop = threading.Event()
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def close(self):
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def downloads(self):
        return [seen for seen in self.seen if seen.method == "GET" and "/api/" not in seen.path]

    @property
    def sent(self):
        return sum(seen.sent for seen in self.downloads())


def is_lfs(path):
    return not path.endswith((".json", ".txt"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        start = int(self.headers.get("Range", "bytes=0-")[6:].split("-")[0])
        self.here = Seen(self.command, self.path, start, headers=dict(self.headers))
        self.hub.seen.append(self.here)
        try:
            self._answer(path, start)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, path, start):
        if path.startswith("/api/models/"):
            self._info(path.removeprefix("/api/models/"))
        elif "/resolve/" in path:
            repository, _, rest = path.strip("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            content = self.hub.repositories.get(repository, {}).get(name)
            if content is None or revision not in (self.hub.commit, "main"):
                self._plain(404, b"Entry not found")
            elif self.hub.faults.redirect and is_lfs(name):
                self.send_response(302)
                self.send_header("Location", f"{self.hub.url}/cdn/{repository}/{name}")
                self.send_header("X-Repo-Commit", self.hub.commit)
                self.send_header("X-Linked-Etag", f'"{sha256(content)}"')
                self.send_header("X-Linked-Size", str(len(content)))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._file(content, start, sha256(content) if is_lfs(name) else git_blob(content))
        elif path.startswith("/cdn/"):
            owner, name, rest = path.removeprefix("/cdn/").split("/", 2)
            self._file(self.hub.repositories[f"{owner}/{name}"][rest], start, "cdn")
        elif path in self.hub.plain:
            self._file(self.hub.plain[path], start, sha256(self.hub.plain[path]))
        else:
            self._plain(404, b"nothing here")

    def _info(self, rest):
        repository, _, revision = rest.partition("/revision/")
        files = self.hub.repositories.get(repository)
        if files is None or revision not in ("", "main", self.hub.commit):
            self._plain(404, b'{"error":"Repository not found"}')
            return
        siblings = []
        for path, content in files.items():
            row = {"rfilename": path, "size": len(content), "blobId": git_blob(content)}
            if is_lfs(path):
                row["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
            siblings.append(row)
        document = {"_id": "1", "id": repository, "modelId": repository, "sha": self.hub.commit, "siblings": siblings}
        self._plain(200, json.dumps({**document, "private": False, "tags": [], "downloads": 0, "likes": 0}).encode())

    def _plain(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _file(self, content, start, etag):
        faults = self.hub.faults
        if faults.statuses and faults.status:
            faults.statuses -= 1
            self._plain(faults.status, b"broken")
            return
        if faults.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if start >= len(content) and start:
            self._plain(416, b"")
            return
        if faults.no_range:
            start = 0
        ranged = "Range" in self.headers and not faults.no_range
        self.send_response(206 if ranged else 200)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("X-Repo-Commit", self.hub.commit)
        self.send_header("Accept-Ranges", "bytes")
        if ranged:
            claimed = start + 1 if faults.lie_range else start
            self.send_header("Content-Range", f"bytes {claimed}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "GET":
            self._body(content[start:])

    def _body(self, body):
        faults = self.hub.faults
        for offset in range(0, len(body), faults.piece):
            if faults.stall_after is not None and offset >= faults.stall_after:
                self.hub.stop.wait(60)
                self.close_connection = True
                return
            if faults.cut_after is not None and faults.cuts and offset >= faults.cut_after:
                faults.cuts -= 1
                self.close_connection = True
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            piece = body[offset : offset + faults.piece]
            self.wfile.write(piece)
            self.here.sent += len(piece)
            if faults.slow:
                time.sleep(faults.slow)
