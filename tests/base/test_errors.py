"""The tree of errors: each leaf is ours and its stdlib kin at once."""

from __future__ import annotations

import pytest

from vigibip.base import errors


@pytest.mark.parametrize(
    ("ours", "kin"),
    [
        (errors.ConfigurationError, ValueError),
        (errors.UsageError, ValueError),
        (errors.StorageError, OSError),
        (errors.PeerError, ConnectionError),
        (errors.RefusedError, PermissionError),
    ],
)
def test_each_error_is_caught_as_ours_and_as_its_kin(
    ours: type[errors.VigibipError], kin: type[Exception]
) -> None:
    assert issubclass(ours, errors.VigibipError)
    assert issubclass(ours, kin)
    assert ours.__name__ in (errors.__doc__ or "")


def test_an_error_shows_its_text_as_it_is() -> None:
    """OSError's kin would make `[Errno …]` of two arguments; one is what a person reads."""
    for kind in (errors.StorageError, errors.PeerError, errors.RefusedError, errors.UsageError):
        assert str(kind("the disk is full")) == "the disk is full"


def test_a_configuration_error_tells_each_mistake_on_its_line() -> None:
    error = errors.ConfigurationError("box.toml", [("", "no such file"), ("a.b", "is wrong")])
    assert str(error) == "box.toml: (file): no such file\nbox.toml: a.b: is wrong"
    assert error.mistakes == (("", "no such file"), ("a.b", "is wrong"))
