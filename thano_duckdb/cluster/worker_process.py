"""One worker process as this process sees it: started, sent messages, and heard of until it ends.

It is started as a program of its own, not by `multiprocessing`, which would import the user's script once more. Only it
and this process can use the pipe between them: a pair of sockets without a name.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

from thano_duckdb.speech.libraries import module_paths

EXIT_S = 2.0
"""How long a process may take to end after its pipe was closed."""
MAX_STDERR_LINES = 20
MAX_STDERR_CHARS = 500
_PROGRAM = "import sys; sys.path[:] = sys.argv[2:]; from thano_duckdb.cluster.worker import main; main()"


class WorkerProcess:
    """A worker process.

    Attributes:
        name: of the worker.
        pid: of the process.
    """

    def __init__(
        self,
        name: str,
        environment: dict[str, str],
        on_message: Callable[[WorkerProcess, Any], None],
        on_end: Callable[[WorkerProcess, str], None],
    ) -> None:
        """Start the process.

        Args:
            name: of the worker.
            environment: variables that it gets beside those of this process.
            on_message: is called with each message, on a thread.
            on_end: is called once, with the reason, when the process has ended, on the same thread.

        Raises:
            OSError: the system does not start it, for a lack of memory, processes or open files.
        """
        self.name = name
        self._on_message, self._on_end = on_message, on_end
        self._stderr: deque[str] = deque(maxlen=MAX_STDERR_LINES)
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._is_closing = False
        self.kill_reason = ""
        self._connection: Connection[Any, Any]
        self._connection, other = _pipe()
        paths = module_paths()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _PROGRAM, str(other.fileno()), *paths],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment},
                cwd=os.path.abspath(os.sep),  # all paths are absolute, and the user may delete the working folder
                pass_fds=(other.fileno(),),
                start_new_session=True,  # Ctrl-C of the terminal is for this process only
                text=True,
                errors="replace",
            )
        finally:
            other.close()
        self.pid = self._process.pid
        self._threads = [
            threading.Thread(target=work, name=f"thano-{name}", daemon=True)
            for work in (self._read_stderr, self._send_all, self._receive)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, message: object) -> None:
        """Send a message; returns at once.

        Raises:
            Exception: it cannot be pickled.
        """
        self._outbox.put(bytes(ForkingPickler.dumps(message)))

    def kill(self, reason: str) -> None:
        """End the process, whatever it does; `on_end` is called with `reason`."""
        self.kill_reason = reason
        self._process.kill()

    def begin_close(self) -> None:
        """Let the process end by itself."""
        self._is_closing = True
        self._outbox.put(None)

    def close(self, timeout_s: float) -> None:
        """Wait for the end of the process; after `timeout_s` it is killed."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(EXIT_S)

    def _send_all(self) -> None:
        """Runs on a thread, so that nobody waits for a process that does not read."""
        with contextlib.suppress(OSError):  # it has ended
            while (content := self._outbox.get()) is not None:
                self._connection.send_bytes(content)
            _shut_down(self._connection)

    def _receive(self) -> None:
        """Runs on a thread."""
        try:
            while True:
                self._on_message(self, self._connection.recv())
        except (EOFError, OSError):
            pass
        except Exception as error:  # noqa: BLE001 - what came is no message
            self.kill(f"its messages cannot be understood: {error}")
        try:
            self._process.wait(EXIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._outbox.put(None)
        self._threads[0].join(EXIT_S)
        self._threads[1].join(EXIT_S)
        if not self._threads[1].is_alive():
            self._connection.close()
        self._on_end(self, self.kill_reason or self._reason())

    def _read_stderr(self) -> None:
        """Runs on a thread: keep the last lines."""
        assert self._process.stderr is not None
        with self._process.stderr as stderr, contextlib.suppress(OSError, ValueError):
            for line in stderr:
                if line.strip():
                    self._stderr.append(line.strip())

    def _reason(self) -> str:
        """How the process ended, as part of a sentence."""
        code = self._process.returncode
        said = " | ".join(self._stderr)
        said = f"; it last wrote: {said[-MAX_STDERR_CHARS:]}" if said else ""
        if code >= 0:
            return f"its process {self.pid} ended with exit code {code}{said}"
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        memory = ", as the system does where memory runs out" if -code == signal.SIGKILL else ""
        return f"its process {self.pid} was killed by {name}{memory}{said}"


def _pipe() -> tuple[Connection[Any, Any], Connection[Any, Any]]:
    """Both ends of a pipe; neither is stdin, stdout or stderr, which this process may have closed."""
    one, other = Pipe()
    return _above_stderr(one), _above_stderr(other)


def _above_stderr(connection: Connection[Any, Any]) -> Connection[Any, Any]:
    if connection.fileno() > 2:
        return connection
    import fcntl

    with connection:
        return Connection(fcntl.fcntl(connection.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def _shut_down(connection: Connection[Any, Any]) -> None:
    """Tell the other end that nothing more comes, while its messages can still be received."""
    import socket

    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_WR)
