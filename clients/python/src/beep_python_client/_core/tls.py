"""TLS to a server that an authority has signed, or that is known by the fingerprint of its certificate."""

from __future__ import annotations

import hashlib
import os
import ssl

from .endpoint import Endpoint
from .errors import UntrustedServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional


def context_of(endpoint: Endpoint) -> ssl.SSLContext:
    """Trusts the system's authorities, and the file that `BEEP_PYTHON_CA_FILE` names."""
    context = ssl.create_default_context(cafile=os.environ.get("BEEP_PYTHON_CA_FILE") or None)
    if endpoint.fingerprint is not None:
        # The fingerprint says more than a name that an authority has signed.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_certificate(certificate: Optional[bytes], endpoint: Endpoint) -> None:
    if endpoint.fingerprint is not None and hashlib.sha256(certificate or b"").digest() != endpoint.fingerprint:
        raise UntrustedServer(f"nothing was sent to {endpoint.text}: the server shows another certificate")
