"""Real servers on loopback, each of which serves a folder until its context ends."""

import getpass
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = "127.0.0.1"
SSHD = Path("/usr/sbin/sshd")
USER, PASSWORD = "someone", "a-password"


@contextmanager
def http_server(folder: Path) -> Iterator[str]:
    """Serves the files below a folder; gives HOST:PORT."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer((HERE, 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{HERE}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def webdav_server(folder: Path) -> Iterator[str]:
    """A WebDAV share that asks for `USER` and `PASSWORD`; gives HOST:PORT."""
    from cheroot.wsgi import Server
    from wsgidav.wsgidav_app import WsgiDAVApp

    accounts = {"*": {USER: {"password": PASSWORD}}}
    config = {
        "provider_mapping": {"/": str(folder)},
        "simple_dc": {"user_mapping": accounts},
        "logging": {"enable": False},
        "verbose": 0,
    }
    server = Server((HERE, 0), WsgiDAVApp(config))
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield f"{HERE}:{server.bind_addr[1]}"
    finally:
        server.stop()


@contextmanager
def s3_emulator(bucket: str) -> Iterator[str]:
    """moto's emulation of S3 with an empty bucket; gives HOST:PORT."""
    import requests
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(HERE, 0, verbose=False)
    server.start()
    host = ":".join(map(str, server.get_host_and_port()))
    try:
        assert requests.put(f"http://{host}/{bucket}").status_code == 200
        yield host
    finally:
        server.stop()


@contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[str, Path]]:
    """OpenSSH for the user of the tests; gives HOST:PORT and the key that opens it.

    folder: for its keys and its config.
    """
    for name in ("host", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    Path("/run/sshd").mkdir(exist_ok=True)  # which sshd asks for, and a boot would make
    port = free_port()
    options = {
        "ListenAddress": f"{HERE}:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "key.pub",
        "AuthenticationMethods": "publickey",
        "AllowUsers": getpass.getuser(),
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "Subsystem": "sftp internal-sftp",
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{key} {value}\n" for key, value in options.items()))
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=log)
    try:
        wait_for(server, port, folder / "sshd.log")
        yield f"{HERE}:{port}", folder / "key"
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


def wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once something listens; `AssertionError` when the server has ended before."""
    while True:
        assert server.poll() is None, log.read_text()
        with socket.socket() as client:
            if client.connect_ex((HERE, port)) == 0:
                return
