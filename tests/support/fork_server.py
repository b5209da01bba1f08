"""Runs Python commands in forks of one process that has imported PyTorch.

Each command saves two seconds of imports. As a script this file is the client, which stands for
`python` and starts in milliseconds.
"""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

_IMPORTED = ("training.run", "evaluation.evaluate", "evaluation.plots", "core.inpainter")
_MAX_BYTES = 2**16  # of a command line


@contextlib.contextmanager
def serving(folder: Path):
    """Write programs `python` and `diverse-inpainting` into a folder, which work meanwhile."""
    address = folder / "socket"
    for name, own in (("diverse-inpainting", "-m diverse_inpainting"), ("python", "")):
        path = folder / name
        path.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -IS "{__file__}" "{address}" {own} "$@"\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    script = f"import runpy; runpy.run_path({__file__!r})['serve']({str(address)!r})"
    command = [sys.executable, "-c", script]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # forks cannot use the threads of another
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as server:
        assert server.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            server.terminate()


def serve(address):
    """Wait for commands until this process is ended."""
    import importlib

    for name in _IMPORTED:
        importlib.import_module(f"diverse_inpainting.{name}")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        os.write(1, b"ready\n")
        while True:
            connection, _ = server.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                server.close()
                _work(connection, os.path.join(os.path.dirname(address), "python"))
            connection.close()


def _work(connection, executable):
    """Run one command with the files and in the folder of the client."""
    import runpy
    import traceback

    message, files, *_ = socket.recv_fds(connection, _MAX_BYTES, 3)
    folder, *sys.argv = message.decode().split("\0")
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    os.chdir(folder)
    sys.executable, code = executable, 0
    try:
        if sys.argv[0] == "-m":
            del sys.argv[0]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        else:
            sys.path.insert(0, os.path.dirname(sys.argv[0]))
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    connection.send(bytes([code]))
    os._exit(0)


def _ask(address, *arguments):
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        message = "\0".join([os.getcwd(), *arguments]).encode()
        socket.send_fds(server, [message], [0, 1, 2])
        code = server.recv(1)
    sys.exit(code[0] if code else 1)


if __name__ == "__main__":
    _ask(*sys.argv[1:])
