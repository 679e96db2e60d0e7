"""Serve the built book from this machine, to this machine alone: ``make serve``.

Browsers run no Python from a file; from any web host they do, and this is the smallest.
"""

import argparse
import contextlib
import functools
import gzip
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HTML = ROOT / "_build" / "html"
ADDRESS = "127.0.0.1"
COMPRESSED = (".html", ".css", ".js", ".mjs", ".json", ".svg", ".wasm", ".ipynb", ".py")


@functools.lru_cache(maxsize=512)
def compressed(path: Path, modified: int) -> bytes:
    """Compress a file once."""
    return gzip.compress(path.read_bytes(), compresslevel=9 if path.suffix == ".wasm" else 6)


class Compressed(http.server.SimpleHTTPRequestHandler):
    """A file server that compresses text, as any host does, and keeps connections."""

    protocol_version = "HTTP/1.1"
    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.suffix not in COMPRESSED or not path.is_file():
            return super().do_GET()
        body = compressed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache")
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve a folder while the block runs; give its address."""
    handler = functools.partial(Compressed, directory=str(folder))
    with http.server.ThreadingHTTPServer((ADDRESS, port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def main(argv: list[str] | None = None) -> int:
    """Serve until interrupted; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args(argv).port
    if not (HTML / "index.html").is_file():
        sys.exit("error: no book in _build/html; run make book")
    try:
        with serving(HTML, port) as address:
            print(f"The book: {address}/ (this machine alone; Ctrl+C ends it)", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        print()
    except OSError as error:
        print(f"error: port {port}: {error.strerror}; say make serve PORT=8001", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
