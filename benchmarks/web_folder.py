"""A web server that sends the files of a folder, each after a while: `python -m benchmarks.web_folder FOLDER MS`.

It prints its port, runs until its standard input ends, and then prints how many requests it had at a time at most.
"""

from __future__ import annotations

import contextlib
import http.server
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path


class _Files(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    delay_s = 0.0
    lock = threading.Lock()
    n_running = 0
    n_at_a_time = 0

    def do_GET(self) -> None:
        with self.lock:
            _Files.n_running += 1
            _Files.n_at_a_time = max(self.n_at_a_time, self.n_running)
        time.sleep(self.delay_s)
        super().do_GET()
        with self.lock:
            _Files.n_running -= 1

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    disable_nagle_algorithm = True


class WebFolder:
    """A server that runs in a process of its own.

    Attributes:
        url: of the folder.
        n_at_a_time: requests at a time at most; known when it has ended.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.n_at_a_time = 0


@contextlib.contextmanager
def web_folder(folder: Path, delay_ms: int) -> Iterator[WebFolder]:
    """Serve `folder` on the loopback within the block."""
    command = [sys.executable, "-m", "benchmarks.web_folder", str(folder), str(delay_ms)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        running = WebFolder(f"http://127.0.0.1:{int(process.stdout.readline())}")
        yield running
        running.n_at_a_time = int(process.communicate()[0])


def _serve(folder: str, delay_ms: str) -> None:
    _Files.delay_s = int(delay_ms) / 1000
    with _Server(("127.0.0.1", 0), partial(_Files, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        server.shutdown()
        print(_Files.n_at_a_time)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
