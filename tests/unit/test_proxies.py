"""Proxies as Docker, VPNs and people write them into the environment."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime

import httpx
import pytest
from pydantic import SecretStr

from catalog.errors import SettingsError
from tasks.network.connections import trusted
from tasks.network.proxies import Proxies, proxies_of_environment
from tasks.storage.store import WebOptions
from tasks.storage.web import web_clients
from tasks.wavespeed.client import WaveSpeed

PASSWORD = "hunter2"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("SSL_CERT"):
            monkeypatch.delenv(name)
    trusted.cache_clear()
    yield
    trusted.cache_clear()


def new_client():
    return WaveSpeed(api_key=SecretStr("wsk_a_key_of_a_test"), now=lambda: datetime.now(UTC))


@pytest.mark.parametrize(
    ("exempt", "url", "direct"),
    [
        ("::1", "http://[::1]:8080/", True),
        ("[::1]", "http://[::1]:8080/", True),
        ("[::1]:8080", "http://[::1]:8080/", True),
        ("[fd00::1]:8080", "http://[fd00::1]:8081/", False),
        ("fe80::/10", "http://[fe80::7]/", True),
        ("fe80::/10", "http://[fd00::7]/", False),
        ("[fe80::]/10", "http://[fe80::7]/", True),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.1.2.3", "http://10.1.2.3/", True),
        ("0:0:0:0:0:0:0:1", "http://[::1]/", True),
        (".corp", "https://files.corp/", True),
        ("*.corp", "https://files.corp/", True),
        ("corp", "https://FILES.corp./", True),
        ("corp", "https://otherwise-corp/", False),
        ("https://files.corp", "https://files.corp/", True),
        ("*", "https://anything/", True),
        ("%%%[,", "https://anything/", False),
        ("10.0.0.0/99", "http://10.1.2.3/", False),
    ],
)
def test_what_is_asked_directly(monkeypatch, exempt, url, direct):
    monkeypatch.setenv("ALL_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", f"unrelated.example, {exempt}")
    assert (proxies_of_environment().named_for(url) is None) == direct


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("host", "direct"),
    [
        ("127.0.0.1:8700", True),
        ("127.8.8.8", True),
        ("[::1]:8700", True),
        ("[::ffff:127.0.0.1]", True),
        ("0.0.0.0", True),
        ("LOCALHOST.:8700", True),
        ("api.localhost", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
    ],
)
def test_no_proxy_is_asked_for_this_machine(scheme, host, direct):
    proxies = Proxies(by_scheme={"all": "http://proxy.example:3128"}, exempt=())
    assert (proxies.named_for(f"{scheme}://{host}/") is None) == direct


@pytest.mark.parametrize(
    "written",
    [
        f"http://me:{PASSWORD}@proxy.example:port",
        f"http://me:{PASSWORD}@",
        f"gopher://me:{PASSWORD}@proxy.example",
        f"socks4://me:{PASSWORD}@proxy.example",
        f"http://me:x@proxy example {PASSWORD}",
        "http://proxy.example:99999",
    ],
)
def test_a_proxy_that_cannot_be_used_is_one_sentence_without_its_password(monkeypatch, written):
    monkeypatch.setenv("HTTPS_PROXY", written)
    with pytest.raises(SettingsError, match="HTTPS_PROXY") as caught:
        new_client()
    assert PASSWORD not in str(caught.value)
    with pytest.raises(httpx.ConnectError) as refused, web_clients(WebOptions()).named as client:
        client.get("https://films.example/a.mp4")
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize("sign", "@:/#?%")
def test_a_password_of_a_proxy_may_hold_any_sign(sign):
    proxies = Proxies(by_scheme={"all": f"http://me:a{sign}b@proxy.example:3128/"}, exempt=())
    proxy = proxies.proxy_for("https://api.example")
    assert (str(proxy.url), proxy.auth) == ("http://proxy.example:3128", ("me", f"a{sign}b"))


def test_what_docker_and_vpns_set_stops_no_client(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.0/8,::1,[::1],fe80::/10,.local,")
    monkeypatch.setenv("HTTP_PROXY", "")
    new_client()
    monkeypatch.setenv("http_proxy", "proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "gopher://unused")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    new_client()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        web_clients(WebOptions()).named as client,
    ):
        client.timeout = httpx.Timeout(0.2)
        with pytest.raises(httpx.ReadTimeout):  # it was asked itself, and says nothing
            client.get(f"http://127.0.0.1:{server.getsockname()[1]}/a.mp4")


@pytest.mark.parametrize(
    ("variable", "content"),
    [("SSL_CERT_FILE", None), ("SSL_CERT_FILE", "garbage"), ("SSL_CERT_DIR", None)],
)
def test_certificates_that_are_none_are_one_sentence(monkeypatch, tmp_path, variable, content):
    path = tmp_path / "authorities"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(SettingsError, match=f"{variable}.* or unset it"):
        new_client()
