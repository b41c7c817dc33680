"""The gate as a process: its files, its admin API, and what is done to it."""

import asyncio
import base64
import hashlib
import json
import os
import pathlib
import resource
import signal
import socket

from account import Key, now

# How a call of the admin API ends without an answer.
LOST = (OSError, EOFError, ValueError, IndexError, asyncio.TimeoutError)
OPERATOR = ("ops", "the-operators-secret-of-many-bits")
ALL = '["any:call", "rooms:join"]'
CATALOG = """
[versions]
latest = "1"
[[versions.version]]
id = "1"
[[category]]
name = "All"
[[category.scope]]
id = "any:call"
name = "Call anything"
allow = ["* /any/{*rest}"]
[[category.scope]]
id = "rooms:join"
name = "Join rooms"
allow = [{ rule = "GET /ws/{room}", upgrade = true }]
"""
MAIN = """
[proxy]
listen = ["127.0.0.1:{port}"]
workers = 2
[[upstream]]
name = "default"
servers = {servers}
timeouts = {{ connect = "2s", first_byte = "{first_byte}", head = "3s", body_idle = "3s", send_idle = "3s" }}
ejection = {{ failures = 5, duration = "300ms" }}
[files]
catalog = "catalog.toml"
tokens = "tokens.toml"
[admin]
listen = "127.0.0.1:{admin}"
[[admin.operator]]
name = "ops"
role = "administrator"
digest = "{digest}"
[access_log]
output = "file:access.log"
[log]
level = "info,sidgate::proxy::upstream=debug"
# An upload that is refused keeps its connection for up to a second after its client has left,
# and all clients are one peer: the default of 256 would be reached. What is reached here leaks.
[limits]
connections_per_peer = 2000
[timeouts]
grace = "5s"
"""


def digest(secret):
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()


def basic(sid, secret):
    return "Basic " + base64.b64encode(f"{sid}:{secret}".encode()).decode()


def block(key, extra=""):
    return (
        f'[[token]]\nsid = "{key.sid}"\nname = "{key.sid}"\nscopes = {ALL}\n'
        f'digest = "{digest(key.secret)}"\n{extra}'
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Gate:
    def __init__(self, account, binary, folder, upstreams):
        self.account, self.binary, self.folder = account, binary, pathlib.Path(folder)
        self.servers = json.dumps([f"http://127.0.0.1:{one.port}" for one in upstreams])
        self.port, self.admin_port = free_port(), free_port()
        self.process, self.changing = None, asyncio.Lock()
        # Whoever does something to the whole process waits for the others.
        self.ordeal = asyncio.Lock()
        # Held while a file is bad, and while it starts: it does not start over a bad file.
        self.whole = asyncio.Lock()
        self.memory = 0
        self.steady = [Key(f"steady{n}", f"steady-secret-of-many-bits-{n}", "enabled") for n in range(3)]
        self.edited = Key("edited", "edited-secret-of-many-bits", "enabled")
        # The credentials of tokens that operators change, the latest last.
        self.flickering = [[Key(f"flicker{n}", f"flicker-secret-{n}", "enabled")] for n in range(3)]

    def path(self, name):
        return self.folder / name

    def replace(self, name, text):
        temporary = self.path(f".{name}.new")
        temporary.write_text(text)
        os.replace(temporary, self.path(name))

    def configure(self, first_byte="3s"):
        text = MAIN.format(
            port=self.port,
            admin=self.admin_port,
            servers=self.servers,
            first_byte=first_byte,
            digest=digest(OPERATOR[1]),
        )
        self.replace("sidgate.toml", text)

    def lay(self):
        self.configure()
        self.replace("catalog.toml", CATALOG)
        keys = [*self.steady, *(keys[0] for keys in self.flickering)]
        filler = "".join(block(Key(f"other{n}", str(n), "")) for n in range(1000))
        text = filler + "".join(map(block, keys)) + "# the one below comes and goes\n"
        self.replace("tokens.toml", text + block(self.edited))

    async def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                self.binary, "serve", "--config", self.path("sidgate.toml"), stderr=log
            )
        deadline = now() + 60
        while now() < deadline and self.process.returncode is None:
            try:
                if (await self.admin("GET", "/readyz"))[0] == 200:
                    return
            except LOST:
                pass
            await asyncio.sleep(0.02)
        raise SystemExit(f"the gate did not start: {self.path('log').read_text()[-3000:]}")

    async def restart(self, number):
        """Ends it by a signal, and starts it anew over the same files."""
        async with self.whole:
            await self.restart_over_whole_files(number)

    async def restart_over_whole_files(self, number):
        outage = self.account.outage()
        self.process.send_signal(number)
        try:
            await asyncio.wait_for(self.process.wait(), 30)
        except asyncio.TimeoutError:
            self.account.violation("the gate does not end when it is told to")
            self.process.kill()
            await self.process.wait()
        code = self.process.returncode
        if code != (-9 if number == signal.SIGKILL else 0):
            self.account.violation(f"the gate ended with {code}")
        await self.start()
        # What was sent to the old one may still be found out to be lost.
        outage[1] = now() + 0.5

    async def admin(self, method, target, body=None):
        """A call of the admin API: its status and what it says."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.admin_port)
        try:
            data = json.dumps(body).encode() if body is not None else b""
            head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{self.admin_port}\r\n"
            head += f"Authorization: {basic(*OPERATOR)}\r\nContent-Length: {len(data)}\r\n"
            if body is not None:
                head += "Content-Type: application/merge-patch+json\r\n"
            writer.write(head.encode() + b"Connection: close\r\n\r\n" + data)
            answer = await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), (json.loads(body) if body[:1] == b"{" else body)

    async def change(self, random):
        """Disables, enables or resets a token, and writes down what became of it."""
        keys = random.choice(self.flickering)
        async with self.changing:
            key, verb = keys[-1], random.choice(("disable", "enable", "reset"))
            state = key.state
            becomes = {"disable": "disabled", "enable": "enabled", "reset": "gone"}[verb]
            version = key.may_become(becomes)
            try:
                status, answer = await self.admin("POST", f"/v1/tokens/{key.sid}/{verb}")
            except LOST:
                return await self.find_out(keys, state, version)
            if status == 503:
                self.account.counts["changes refused"] += 1
                key.versions.remove(version)
            elif status != 200:
                self.account.violation(f"{verb} of {key.sid}: {status} {answer}")
            else:
                self.account.counts["changes"] += 1
                version[1] = now()
                if verb == "reset":
                    keys.append(Key(key.sid, answer["auth_token"], state, version[0]))
                    del keys[:-3]

    async def find_out(self, keys, before, version):
        """A change that was not answered was made, or it was not."""
        self.account.counts["changes cut short"] += 1
        key = keys[-1]
        while not self.account.done.is_set():
            try:
                status, token = await self.admin("GET", f"/v1/tokens/{key.sid}")
                if status == 200 and version[2] != "gone":
                    if token["state"] != version[2]:
                        key.versions.remove(version)
                    version[1] = now()
                    return
                if status == 200 and digest(key.secret) in self.path("tokens.toml").read_text():
                    key.versions.remove(version)
                    return
                # Its new secret was told to nobody: it gets another.
                status, token = await self.admin("POST", f"/v1/tokens/{key.sid}/reset")
                if status == 200:
                    version[1] = now()
                    keys.append(Key(key.sid, token["auth_token"], before, version[0]))
                    return
            except LOST:
                pass
            await asyncio.sleep(0.1)

    async def edit(self):
        """Takes a token out of the file by hand, or puts it back."""
        async with self.changing:
            text = self.path("tokens.toml").read_text()
            at = text.find('[[token]]\nsid = "edited"')
            if at >= 0:
                text, state = text[:at], "wrong"
            else:
                text, state = text + block(self.edited), "enabled"
            self.replace("tokens.toml", text)
            # In force within two seconds where there is time for it; until then either.
            self.edited.may_become(state)[1] = now() + 10
            self.account.counts["edits of the token file"] += 1

    async def spoil(self, random):
        """Puts half a file in the place of one, and the whole one back."""
        name = random.choice(("catalog.toml", "tokens.toml", "sidgate.toml"))
        async with self.changing, self.whole:
            text = self.path(name).read_text()
            self.replace(name, text[: len(text) // 2] + "\n[[[")
            await asyncio.sleep(random.uniform(0.1, 1))
            self.replace(name, text)
            self.account.counts["bad files"] += 1

    async def series(self, name):
        """The sum of a metric over all its labels."""
        _, text = await self.admin("GET", "/metrics")
        lines = (line.rsplit(" ", 1) for line in text.decode().splitlines())
        return sum(float(value) for series, value in lines if series.split("{")[0] == name)

    def limit_descriptors(self, most):
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (most or hard, hard))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def look(self):
        """Notes the memory that it has, in KiB."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("RssAnon:"):
                self.memory = max(self.memory, int(line.split()[1]))
