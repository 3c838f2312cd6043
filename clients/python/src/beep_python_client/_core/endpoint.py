"""Where a server listens: `http://127.0.0.1:5678`, `https://HOST:PORT?fingerprint=AB:CD…`, `unix:/path/of/NAME.sock`, `pipe:NAME`."""

from __future__ import annotations

import json
import os

from .errors import BeepPythonError, InvalidRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Tuple


class Endpoint:
    """A parsed endpoint."""

    __slots__ = ("fingerprint", "host", "path", "port", "text", "tls")

    def __init__(self, text: str) -> None:
        self.text = text = text.strip()
        self.path: Optional[str] = None
        """Of the Unix socket, if it is one."""
        self.host, self.port, self.tls = "", 0, False
        self.fingerprint: Optional[bytes] = None
        scheme, _, rest = text.partition(":")
        if scheme == "unix":
            self.path = rest[2:] if rest.startswith("//") else rest
        elif scheme == "pipe":
            name = rest[2:] if rest.startswith("//") else rest
            self.path = os.path.join(os.environ.get("TMPDIR") or "/tmp", f"CoreFxPipe_{name}")
        elif scheme in ("grpc", "grpcs", "local"):
            raise InvalidRequest(f"'{text}' is no endpoint that this client can use: it speaks HTTP, and the pipe (unix:PATH, pipe:NAME)")
        else:
            self._address(text)
        if self.path == "":
            raise InvalidRequest(f"'{text}' is not an endpoint: it names no socket")

    def _address(self, text: str) -> None:
        from urllib.parse import parse_qs, urlsplit

        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise InvalidRequest(f"'{text}' is not an endpoint: write http://HOST:PORT, https://HOST:PORT, unix:PATH or pipe:NAME")
        self.tls = parts.scheme == "https"
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80 if "://" in text else 5678)
        fingerprint = parse_qs(parts.query).get("fingerprint")
        if fingerprint:
            try:
                self.fingerprint = bytes.fromhex(fingerprint[0].replace(":", ""))
            except ValueError:
                raise InvalidRequest(f"'{text}': a fingerprint is the SHA-256 of a certificate, 64 hexadecimal digits") from None

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def home() -> str:
    """The folder of servers and environments."""
    return os.environ.get("BEEP_PYTHON_HOME") or os.path.join(os.path.expanduser("~"), ".beep-python")


def running_servers() -> List[Dict[str, Any]]:
    """The records of this user's running servers, in the order of their start."""
    folder = os.path.join(home(), "servers")
    try:
        told = os.stat(folder)
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    # The writer of the records decides where code and tokens go.
    if told.st_uid not in (0, os.geteuid()) or told.st_mode & 0o002 or (told.st_mode & 0o020 and told.st_gid != 0):
        raise BeepPythonError(f"the records in {folder} are not read: others may write there")
    records = []
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            try:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    record = json.load(file)
            except (OSError, ValueError):
                continue
            if not record.get("temporary") and not record.get("stopping") and _runs(record):
                records.append(record)
    return sorted(records, key=lambda record: (record["startedAt"], record["id"]))


def _runs(record: Dict[str, Any]) -> bool:
    """Whether the process that wrote a record is there, in the same boot and namespace of process ids."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            boot = file.read().strip()
        if record.get("bootId") not in (None, boot) or record.get("pidNamespace") not in (None, os.readlink("/proc/self/ns/pid")):
            return False
        with open(f"/proc/{record['pid']}/stat", encoding="utf-8", errors="replace") as file:
            # The fields behind the name of the program, which may have any character: state first, the start time 20th.
            fields = file.read().rpartition(")")[2].split()
    except (OSError, KeyError):
        return False
    return fields[0] not in "ZX" and int(fields[19]) == record.get("startTime")


def found() -> Tuple[str, Optional[str]]:
    """Endpoint and token of the newest running server, its pipe first."""
    for record in reversed(running_servers()):
        urls = {endpoint["backend"]: endpoint["url"] for endpoint in record["endpoints"]}
        url = urls.get("pipe") or urls.get("http")
        if url is not None:
            return known_by_certificate(record, url), token_of(record)
    raise BeepPythonError("no server runs: start one with `beep-python start http pipe`, or in the program with beep_python_client.start()")


def known_by_certificate(record: Dict[str, Any], url: str) -> str:
    """The endpoint with the fingerprint of the certificate that its server shows."""
    if not record.get("certificate") or not url.startswith("https:"):
        return url
    import hashlib
    import ssl

    with open(record["certificate"], encoding="ascii") as file:
        pem = file.read()
    end = "-----END CERTIFICATE-----"
    certificate = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)])
    return f"{url}?fingerprint={hashlib.sha256(certificate).hexdigest()}"


def token_of(record: Dict[str, Any]) -> Optional[str]:
    """The token of a server of this user. Its own user rarely needs it, so that a file that cannot be read is none."""
    if not record.get("tokenFile"):
        return token_in_env()
    try:
        with open(record["tokenFile"], encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None


def token_in_env() -> Optional[str]:
    """The token of `BEEP_PYTHON_TOKEN`, or of the file that `BEEP_PYTHON_TOKEN_FILE` names."""
    token = os.environ.get("BEEP_PYTHON_TOKEN")
    if token:
        return token.strip()
    path = os.environ.get("BEEP_PYTHON_TOKEN_FILE")
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise BeepPythonError(f"the token cannot be read, which BEEP_PYTHON_TOKEN_FILE names: {error}") from error
