"""Installs the HTTP/1.1 peers where it can, and starts them: nginx, haproxy, and servers and clients of Python and Node."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from process import WORK, Peer, PeerError, Process, free_port, wait_until

NGINX, HAPROXY, CURL, WRK, NGHTTPD = "nginx", "haproxy", "curl", "wrk", "nghttpd"
NODE, WEBSOCKETS = "http1-node", "http1-websockets"
# What every case needs, and every machine has: it makes the others be built.
HTTP1 = "http1"
KINDS = [HTTP1, NGINX, HAPROXY, CURL, WRK, NGHTTPD, NODE, WEBSOCKETS]
# What Debian calls the package of each program.
PACKAGES = {NGINX: "nginx-light", HAPROXY: "haproxy", CURL: "curl", WRK: "wrk", NGHTTPD: "nghttp2-server"}
HERE = Path(__file__).resolve().parent
HOME = WORK / "http1"
PYTHON = HOME / "python/bin/python"
WEBSOCKETS_VERSION = "17.4"
PATTERN = bytes(range(251))


def build():
    """Installs what is missing; returns why each peer is skipped that is missing still."""
    HOME.mkdir(parents=True, exist_ok=True)
    missing = [tool for tool in PACKAGES if shutil.which(tool, path=search_path()) is None]
    why = install([PACKAGES[tool] for tool in missing]) if missing else ""
    skipped = {
        tool: f"{tool} is not installed{why}" for tool in missing if shutil.which(tool, path=search_path()) is None
    }
    return {**skipped, **build_websockets(), **build_node()}


def search_path():
    """Where programs are; servers are out of the way of ordinary users."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def install(packages):
    """Installs Debian packages without starting their services; why not, if not."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return ", and only root can install packages by apt-get"
    quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        failure = attempt(["apt-get", "-qq", *command], env={**os.environ, **quiet})
        if failure:
            return f", and apt-get failed: {failure}"
    return ""


def build_websockets():
    marker = HOME / f"websockets-{WEBSOCKETS_VERSION}"
    if not marker.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", HOME / "python"],
            [PYTHON, "-m", "pip", "install", "--quiet", f"websockets=={WEBSOCKETS_VERSION}"],
        ):
            failure = attempt(command)
            if failure:
                return {WEBSOCKETS: f"websockets {WEBSOCKETS_VERSION} cannot be installed: {failure}"}
        marker.touch()
    return {}


def build_node():
    if shutil.which("node") is None or shutil.which("npm") is None:
        return {NODE: "node or npm is not installed"}
    source, home = HERE / NODE, HOME / "node"
    wanted = (source / "package.json").read_bytes()
    marker = home / "installed.json"
    home.mkdir(exist_ok=True)
    shutil.copy(source / "peer.mjs", home)
    if not marker.exists() or marker.read_bytes() != wanted:
        (home / "package.json").write_bytes(wanted)
        failure = attempt(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"], cwd=home)
        if failure:
            return {NODE: f"ws and undici cannot be installed: {failure}"}
        marker.write_bytes(wanted)
    return {}


def attempt(command, **more):
    """Runs a command; the last line it printed if it failed, else None."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, **more)
    except (OSError, subprocess.TimeoutExpired) as failure:
        return str(failure)
    if done.returncode == 0:
        return None
    return "".join(done.stdout.decode(errors="replace").strip().splitlines()[-1:]) or f"status {done.returncode}"


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Daemon(Process):
    """A server that is configured by a file and listens on a port."""

    def __init__(self, name, command, port):
        super().__init__(name, command)
        self.port = port
        wait_until(lambda: listens(port) or self.child.poll() is not None, f"{name} to listen")
        if self.child.poll() is not None:
            raise PeerError(f"{name} ended:\n{self.tail()}")

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class PythonServer(Daemon):
    """The server of Python's standard library."""

    def __init__(self, name="http1-python"):
        port = free_port()
        super().__init__(name, [sys.executable, "-B", HERE / "http1-python/server.py", port], port)


def nginx(behind, name="http1-nginx"):
    """nginx in front of the server at `behind`, with files of its own under /files/."""
    port, home = free_port(), HOME / name
    (home / "files").mkdir(parents=True, exist_ok=True)
    (home / "files/1M").write_bytes((PATTERN * ((1 << 20) // 251 + 1))[: 1 << 20])
    (home / "files/hello").write_text("hello")
    (home / "access.log").unlink(missing_ok=True)
    temporary = "".join(
        f"  {what}_temp_path {home}/{what};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (home / "nginx.conf").write_text(f"""
daemon off;
worker_processes 1;
pid {home}/pid;
error_log stderr warn;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 1024; }}
http {{
{temporary}  log_format seen '$request_method $request_uri $status $request_length "$host"';
  access_log {home}/access.log seen;
  keepalive_timeout 60s;
  keepalive_requests 10000000;
  server {{
    listen 127.0.0.1:{port} backlog=512;
    client_max_body_size 0;
    location /files/ {{ root {home}; }}
    location / {{
      proxy_pass http://{behind};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_request_buffering off;
      proxy_buffering off;
    }}
  }}
}}
""")
    made = Daemon(name, [shutil.which(NGINX, path=search_path()), "-c", home / "nginx.conf", "-p", home], port)
    made.access_log = home / "access.log"
    return made


def haproxy(behind, name="http1-haproxy"):
    """haproxy in HTTP mode in front of the server at `behind`."""
    port = free_port()
    file = HOME / f"{name}.cfg"
    file.write_text(f"""
global
  maxconn 2000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{port} backlog 512
  default_backend out
backend out
  server one {behind}
""")
    return Daemon(name, [shutil.which(HAPROXY, path=search_path()), "-db", "-f", file], port)


def nghttpd(name="http1-nghttpd"):
    """nghttp2's server, HTTP/2 in clear text, with the files of nginx."""
    port = free_port()
    files = HOME / "http1-nginx/files"
    return Daemon(name, [shutil.which(NGHTTPD, path=search_path()), "--no-tls", "-a", "127.0.0.1", "-d", files, port], port)


class NodePeer(Peer):
    """Server, client and WebSockets of Node, in one process."""

    def __init__(self, name="http1-node"):
        self.port, self.socket_port = free_port(), free_port()
        super().__init__(name, ["node", HOME / "node/peer.mjs", self.port, self.socket_port])

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class WebSocketPeer(Peer):
    """Server and client of the library websockets."""

    def __init__(self, name="http1-websockets"):
        self.socket_port = free_port()
        super().__init__(name, [PYTHON, HERE / "http1-python/websocket.py", self.socket_port])
