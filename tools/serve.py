"""Serve the built site on this machine, compressed as a web host would send it.

    python tools/serve.py [folder] [--port 8000]
"""

from __future__ import annotations

import argparse
import functools
import gzip
import http.server
import mimetypes
import threading
from pathlib import Path

for _type, _suffix in (
    ("text/javascript", ".js"), ("text/javascript", ".mjs"), ("font/woff2", ".woff2"),
    ("application/json", ".ipynb"), ("image/svg+xml", ".svg"),
):  # fmt: skip  # not every system's table has them right
    mimetypes.add_type(_type, _suffix)
COMPRESSED = ("text/", "application/json", "application/javascript", "image/svg+xml")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder: UTF-8, gzip where it helps, kept by the browser for ten minutes."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing: a page makes dozens of requests."""

    def do_GET(self) -> None:  # noqa: N802  (the base class's name)
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if not path.is_file():
            self.send_error(404)
            return
        body = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        self.send_response(200)
        self.send_header("Content-Type", kind + "; charset=utf-8" * kind.startswith("text/"))
        self.send_header("Cache-Control", "max-age=600")
        if kind.startswith(COMPRESSED) and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 6)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that closes a connection early is no error of ours."""


def start(folder: Path, port: int = 0) -> tuple[Server, str]:
    """Serve `folder` from a thread; return the server (call `shutdown()`) and its address."""
    server = Server(("127.0.0.1", port), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("_build/html"))
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    if not (options.folder / "index.html").is_file():
        parser.error(f"{options.folder} has no index.html: build the site first (make book)")
    server = Server(
        ("127.0.0.1", options.port), functools.partial(Handler, directory=str(options.folder))
    )
    print(f"http://127.0.0.1:{server.server_port}/ (stop with Ctrl-C)")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
