"""Which peer is the trusted proxy."""

from gateway.web.vouching import trusted


def test_fault_X18_an_address_is_compared_as_an_address() -> None:
    """However its family writes it, and nothing that only begins like it."""
    assert trusted(("127.0.0.1",), "::ffff:127.0.0.1")
    assert trusted(("2001:db8::1",), "2001:0db8:0:0:0:0:0:1")
    assert not any(trusted(("127.0.0.1",), peer) for peer in ("127.0.0.10", "127.0.0.2", "::1", "", None, "unix:"))
