import pytest

from loadtests.target import TargetRefused, parse_target


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("http://127.0.0.1:8010", "http://127.0.0.1:8010"),
        ("http://127.9.9.9:80/", "http://127.9.9.9:80"),
        ("http://[::1]:8010", "http://[::1]:8010"),
    ],
)
def test_a_loopback_address_is_taken(url: str, dialled: str) -> None:
    assert parse_target(url).url == dialled


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1:8010",
        "http://0.0.0.0:8010",
        "http://192.0.2.1",
        "http://[2001:db8::1]:80",
        "https://127.0.0.1:8010",
        "http://127.0.0.1:8010/path",
        "127.0.0.1:8010",
        "",
    ],
)
def test_any_other_target_is_refused(url: str) -> None:
    with pytest.raises(TargetRefused):
        parse_target(url)
