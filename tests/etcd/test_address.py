"""What the URL of an etcd engine may say, and what it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import EngineError
from engine.etcd.address import PASSWORD_VARIABLE, Tls, parse_address
from engine.etcd.channels import Channels

from .certificates import Authority


def test_a_plain_one() -> None:
    address = parse_address("etcd://host")
    assert (address.endpoints, address.prefix, address.tls, address.user) == (("host:2379",), b"gofer/", None, "")
    assert str(address) == "etcd://host:2379/gofer"


def test_one_with_everything(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.sign("client")
    (tmp_path / "password").write_text("secret\n")
    files = f"ca={authority.path}&cert={cert}&key={key}"
    address = parse_address(
        f"etcd://a:1,b,[::1]:7/the/pre%20fix/?user=gofer&password_file={tmp_path}/password&{files}"
        "&server_name=etcd.local&timeout=2.5"
    )
    assert address.endpoints == ("a:1", "b:2379", "[::1]:7")
    assert address.prefix == b"the/pre fix/"
    assert address.tls == Tls(authority.path.read_bytes(), cert.read_bytes(), key.read_bytes(), "etcd.local")
    assert (address.user, address.password, address.timeout) == ("gofer", "secret", 2.5)


def test_the_password_comes_from_the_program_the_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "of the environment")
    (tmp_path / "password").write_text("of the file")
    named = f"etcd://a/?user=u&password_file={tmp_path}/password"
    assert parse_address("etcd://a/?user=u").password == "of the environment"
    assert parse_address(named).password == "of the file"
    assert parse_address(named, password="of the program").password == "of the program"
    assert parse_address("etcd://a/").password == ""


def test_no_secret_is_shown(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).sign("client")
    address = parse_address(f"etcd://a/?user=u&cert={cert}&key={key}", password="SECRET")
    shown = f"{address} {address!r} {address.tls!r}"
    assert "SECRET" not in shown
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("etcd://", "no host:port"),
        ("etcd:///prefix", "no host:port"),
        ("etcd://a,,b", "no host:port"),
        ("etcd://a:0", "no host:port"),
        ("etcd://a:99999", "no host:port"),
        ("etcd://a:x", "no host:port"),
        ("etcd://a b", "no host:port"),
        ("etcd://[::1", "URL"),
        ("etcd://a/#x", "without a #"),
        ("etcd://user:SECRET@a", "no user or password before the host"),
        ("etcd://user:SEC/RET@a", "no user or password before the host"),
        ("etcd://a/x&password=SECRET", "options follow a ?"),
        ("etcd://a/x;password=SECRET?user=u", "options follow a ?"),
        ("etcd://a/pre%fffix", "the prefix in the URL is not UTF-8"),
        ("etcd://a/pre\udc80fix", "the prefix in the URL is not UTF-8"),
        ("etcd://a?password=SECRET&user=u", "does not belong into a URL"),
        ("etcd://a:SECRET/x", "host 1 in the URL is no host:port"),
        ("etcd://a,b;password=SECRET/x", "host 2 in the URL is no host:port"),
        ("etcd://a/password=SECRET", "the prefix: a password does not belong"),
        ("etcd://a/x%26password=SECRET", "the prefix: a password does not belong"),
        ("etcd://a?user=u;password=SECRET", "the option user: a password does not belong"),
        ("etcd://a?tls=1;password=SECRET", "the option tls: a password does not belong"),
        ("etcd://a?timeout=5;pass=SECRET", "the option timeout: options are parted by &"),
        ("etcd://a?ca=/x;PassWord=SECRET", "the option ca: a password does not belong"),
        ("etcd://a?user=u?pw=SECRET", "the option user: options are parted by &"),
        ("etcd://a?user=u%26password=SECRET", "the option user: a password does not belong"),
        ("etcd://a?user=u%3Bpassword%3DSECRET", "the option user: a password does not belong"),
        ("etcd://a?user=u&amp;password=SECRET", "option 2 of the URL: a password does not belong"),
        ("etcd://a?user=u:SECRET", "the option user: it is the name alone"),
        ("etcd://a?user=u&SECRET", "option 2 of the URL is none"),
        ("etcd://a?pw%3DSECRET=1", "option 1 of the URL is none"),
        ("etcd://a?tls=SECRET", "ca=FILE"),
        ("etcd://a?timeout=SECRET", "timeout"),
        ("etcd://a?colour=red", "no option 'colour'"),
        ("etcd://a?tls=ca.pem", "ca=FILE"),
        ("etcd://a?tls=0&server_name=x", "TLS is off"),
        ("etcd://a?ca=/nowhere/ca.pem", "ca: '/nowhere/ca.pem' can not be read: No such file"),
        ("etcd://a?password_file=/nowhere&user=u", "password_file: '/nowhere' can not be read"),
        ("etcd://a?password_file=/nowhere", "no user"),
        ("etcd://a?user=u", "needs a password"),
        ("etcd://a?timeout=0", "timeout"),
        ("etcd://a?timeout=soon", "timeout"),
        ("etcd://a?timeout=nan", "timeout"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(url: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(EngineError) as caught:
        parse_address(url)
    assert words in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_certificate_needs_its_key(tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("c")
    with pytest.raises(EngineError, match="go together"):
        parse_address(f"etcd://a?cert={tmp_path}/cert")


def test_engines_do_not_all_ask_the_first_server() -> None:
    address = parse_address("etcd://a,b,c")
    asked = set()
    for _ in range(60):
        channels = Channels(address)
        asked.add(channels.current)
        channels.close()
    assert asked == {0, 1, 2}
