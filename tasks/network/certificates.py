"""Whom to trust: the authorities' certificates that the environment names, or the usual ones."""

from __future__ import annotations

import functools
import os
import ssl
from pathlib import Path

import httpx

from catalog.errors import SettingsError

_FILE, _FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"


@functools.cache
def trusted() -> ssl.SSLContext:
    """Give whom to trust; read once, because it takes longer than making a client.

    Raises:
        SettingsError: the environment names a file or a folder in which no certificates are.
    """
    folder = os.environ.get(_FOLDER)
    if os.environ.get(_FILE):
        require_certificates(_FILE)
    elif folder and not any(Path(one).is_dir() for one in folder.split(os.pathsep)):
        raise SettingsError(
            f"{_FOLDER} names no folder; name the one with the certificates, or unset it."
        )
    return httpx.create_ssl_context()


def require_certificates(variable: str) -> None:
    """See whether the file that a variable names holds certificates; unset is fine.

    Raises:
        SettingsError: if it holds none, or cannot be read.
    """
    path = os.environ.get(variable)
    if not path:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        no_certificates = isinstance(error, ssl.SSLError | ValueError)
        reason = "holds no certificates" if no_certificates else "cannot be read"
        raise SettingsError(
            f"{variable} names a file that {reason}; name a PEM file of certificates, or unset it."
        ) from None
