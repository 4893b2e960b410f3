"""`mle lab`: JupyterLab on this project, on loopback, without a question to the network."""

import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

from jupyter_server.serverapp import list_running_servers

from helpers.course.notebooks import ENVIRONMENT

HOST = "127.0.0.1"
READY_SECONDS = 90
OPTIONS = [
    # JupyterLab would ask the network for news, for updates and for extensions, and first the learner for leave to.
    f"--LabApp.app_settings_dir={Path(__file__).with_name('lab_settings')}",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    # Without it each kernel warns that its port on loopback is not encrypted.
    "--KernelManager.transport_encryption=auto",
    # In a container the learner is root; the server is on loopback and behind a token all the same.
    "--allow-root",
    "--no-browser",
    "--ServerApp.port_retries=0",
    "--ServerApp.answer_yes=True",
    "--log-level=WARN",
]


class LabError(Exception):
    """JupyterLab did not start; the message says what to do."""


def open_lab(root: Path, page: Path, port: int, browser: bool, say: Callable[[str], None]) -> None:
    """Serve `root` until interrupted and open `page`; where it is being served already, give that address."""
    if address := running(root, page):
        say(f"JupyterLab is already running here: {address}")
        _open(address, browser)
        return
    free = free_port(port)
    if free != port:
        say(f"Port {port} is taken; taking {free}.")
    token = secrets.token_hex(24)
    place = [f"--ServerApp.root_dir={root}", f"--ServerApp.ip={HOST}", f"--ServerApp.port={free}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *OPTIONS, *place],
        env=os.environ | ENVIRONMENT | {"JUPYTER_TOKEN": token},
    )
    try:
        _wait_until_ready(server, free)
        address = _address(f"http://{HOST}:{free}/", page, token)
        say(f"JupyterLab is running: {address}\nStop it with Ctrl-C; your notebooks are saved as you go.")
        _open(address, browser)
        server.wait()
    except KeyboardInterrupt:
        pass  # The server was interrupted too: let it end its kernels.
    finally:
        _stop(server)


def running(root: Path, page: Path) -> str | None:
    """Return the address of `page` in a server that serves `root` already, or `None`."""
    for server in list_running_servers():
        if Path(server["root_dir"]) == root:
            return _address(server["url"], page, server["token"])
    return None


def free_port(first: int) -> int:
    """Return the first port from `first` on that nobody listens on."""
    for port in range(first, min(first + 100, 65536)):
        with socket.socket() as probe:
            if os.name == "posix":
                # A port that was closed a moment ago is free, although the system still remembers it.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise LabError(f"No free port from {first} on: choose another with `--port`.")


def has_display() -> bool:
    """Return whether a browser could show itself on this machine."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _address(base: str, page: Path, token: str) -> str:
    return f"{base}lab/tree/{page.as_posix()}?token={token}"


def _open(address: str, browser: bool) -> None:
    if browser and has_display():
        webbrowser.open(address)


def _wait_until_ready(server: subprocess.Popen, port: int) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise LabError(f"JupyterLab ended with code {server.returncode}; `mle doctor` may tell why.")
        try:
            urllib.request.urlopen(f"http://{HOST}:{port}/api", timeout=2).close()
            return
        except (URLError, OSError):
            time.sleep(0.2)
    raise LabError(f"JupyterLab did not answer within {READY_SECONDS} seconds; `mle doctor` may tell why.")


def _stop(server: subprocess.Popen) -> None:
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
