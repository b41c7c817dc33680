"""What every attack stands on: a gate of the real binary, and an upstream that records.

The upstream is as strict as the rules are: whatever reaches it and is not one of the requests
that the catalogue allows is a finding, whichever tool sent it.
"""

import base64
import contextlib
import hashlib
import http.client
import random
import re
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ALICE = ("alice", "alices-auth-token-of-many-bits-1")
BOB = ("bob", "bobs-auth-token-of-many-bits-2")
OPERATOR = ("ops", "operators-secret-of-many-bits-5")

CATALOG = """
[paths]
public = ["GET,POST /open/{name}"]
[[category]]
name = "All"
[[category.scope]]
id = "reader"
name = "Read"
allow = ["GET /v1/items", "GET /v1/items/{id}"]
[[category.scope]]
id = "writer"
name = "Write"
allow = ["POST /v1/items"]
[[category.scope]]
id = "ws"
name = "Join"
allow = [{ rule = "GET /ws/{room}", upgrade = true }]
"""

# One segment in canonical form: no dot segment, nothing encoded that some reader decodes.
SEGMENT = r"(?!\.{1,2}$)(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%(?!2[EFD35]|3[BF]|5[CF]|7[EF]|[01])[0-9A-F]{2})+"
ALLOWED = [
    (None, "GET", re.compile(rf"/open/{SEGMENT}")),
    (None, "POST", re.compile(rf"/open/{SEGMENT}")),
    ("alice", "GET", re.compile(rf"/v1/items(/{SEGMENT})?")),
    ("alice", "GET", re.compile(rf"/ws/{SEGMENT}")),
    ("bob", "POST", re.compile(r"/v1/items")),
]


def basic(who):
    """The value of `Authorization`."""
    return "Basic " + base64.b64encode(":".join(who).encode()).decode()


def digest(secret):
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


def token(who, scopes):
    sid, secret = who
    return f'[[token]]\nsid = "{sid}"\nname = "{sid}"\nscopes = {scopes}\ndigest = "{digest(secret)}"\n'


class Recorder:
    """An upstream on loopback that answers 200 and keeps what it was asked."""

    def __init__(self):
        self.requests = []
        self.findings = []
        recorder = self

        class Connection(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    while recorder.serve(self.rfile, self.wfile):
                        pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 512

        self.server = Server(("127.0.0.1", 0), Connection)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def serve(self, reader, writer):
        line = reader.readline(64 << 10)
        if not line:
            return False
        match = re.fullmatch(rb"([A-Z]+) (/[!-~]*) HTTP/1\.1\r\n", line)
        if not match:
            self.findings.append(f"no request line: {line!r}")
            return False
        method, target = (part.decode() for part in match.groups())
        headers = {}
        while (line := reader.readline(64 << 10)) != b"\r\n":
            if not line.endswith(b"\r\n"):
                return False
            name, _, value = line.decode("latin-1").partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        self.judge(method, target, headers)
        self.requests.append((method, target))
        if not skip_body(reader, headers):
            return False
        body = b"x" * (1 << 20) if target.startswith("/open/large") else b"ok"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    def judge(self, method, target, headers):
        path = target.partition("?")[0]
        sid = headers.get("x-auth-sid", [None])
        allowed = any(
            sid == [who] and method == verb and pattern.fullmatch(path)
            for who, verb, pattern in ALLOWED
        )
        # Credentials are the client's own where no rule asks for them.
        kept = "authorization" in headers and sid != [None]
        if not allowed or kept or len(headers.get("host", [])) != 1:
            self.findings.append(f"reached the upstream: {method} {target} {headers}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def skip_body(reader, headers):
    """Reads a body to its end; false where there is none."""
    if length := headers.get("content-length"):
        left = int(length[0])
        while left > 0 and (piece := reader.read(min(left, 64 << 10))):
            left -= len(piece)
        return left == 0
    if "transfer-encoding" in headers:
        while size := int(reader.readline(1024) or b"0", 16):
            reader.read(size + 2)
        while reader.readline(64 << 10) not in (b"\r\n", b""):
            pass
    return True


class Gate:
    """A running gate; as a context it is stopped, and its upstream's findings are told."""

    def __init__(self, binary, upstream, sections="", tls=False):
        self.folder = Path(tempfile.mkdtemp(prefix="sidgate-attack-"))
        self.port, self.admin = free_port(), free_port()
        tls_line = ""
        if tls:
            certificate(self.folder)
            tls_line = 'tls = { certificate = "cert.pem", private_key = "key.pem" }'
        self.write("catalog.toml", CATALOG)
        self.write("tokens.toml", token(ALICE, ["reader", "ws"]) + token(BOB, ["writer"]))
        self.write(
            "sidgate.toml",
            f"""
[proxy]
listen = ["127.0.0.1:{self.port}"]
{tls_line}
[[upstream]]
name = "default"
servers = ["{upstream}"]
[files]
catalog = "catalog.toml"
tokens = "tokens.toml"
[admin]
listen = "127.0.0.1:{self.admin}"
[[admin.operator]]
name = "{OPERATOR[0]}"
role = "administrator"
digest = "{digest(OPERATOR[1])}"
[access_log]
output = "off"
{sections}
""",
        )
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [binary, "serve", "--config", self.folder / "sidgate.toml"],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
        )

    def __enter__(self):
        deadline = time.monotonic() + 30
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def ready(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=5)
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def alive(self):
        """Findings about the process itself: it runs, and its log tells of no panic."""
        findings = []
        if self.process.poll() is not None:
            findings.append(f"the gate ended with {self.process.returncode}")
        log = (self.folder / "log").read_text(errors="replace")
        findings += [line for line in log.splitlines() if "panic" in line]
        return findings

    def ask(self, path="/v1/items/1", who=ALICE, source="127.0.0.1", timeout=10):
        """The status of a GET on a connection of its own."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=timeout, source_address=(source, 0)
        )
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Authorization": basic(who)})
            return connection.getresponse().status

    def memory(self):
        """Resident bytes that are the process's own."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) * 1024


class Probe:
    """Asks from an address of its own, again and again, while an attack runs."""

    def __init__(self, gate, source="127.0.0.9", within=3):
        self.gate, self.source, self.within = gate, source, within
        self.asked, self.longest, self.findings = 0, 0.0, []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopped.wait(0.2):
            began = time.monotonic()
            try:
                status = self.gate.ask(source=self.source, timeout=self.within)
            except OSError as error:
                status = error
            took = time.monotonic() - began
            self.asked, self.longest = self.asked + 1, max(self.longest, took)
            if status != 200:
                self.findings.append(f"not served meanwhile: {status} after {took:.1f} s")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()


def free_port():
    """A port below those of outgoing connections, so that no tool takes it meanwhile."""
    for port in random.sample(range(10_000, 32_000), 1_000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def certificate(folder):
    """A certificate authority, and what it has issued for the loopback address."""
    names = "subjectAltName=IP:127.0.0.1,DNS:localhost"
    issue = ["-days", "90", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    openssl("req", "-x509", *issue, "-subj", "/CN=attack CA", "-keyout", "ca-key.pem", "-out", "ca.pem", cwd=folder)
    openssl(
        "req", "-x509", *issue, "-subj", "/CN=localhost", "-addext", names,
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "extendedKeyUsage=serverAuth",
        "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-keyout", "key.pem", "-out", "cert.pem", cwd=folder,
    )  # fmt: skip
    (folder / "key.pem").chmod(0o600)


def openssl(*arguments, cwd):
    subprocess.run(["openssl", *arguments], cwd=cwd, check=True, capture_output=True)
