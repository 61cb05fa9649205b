"""The SIM switches: every knob of the simulator by name, with its default at each speed."""

from __future__ import annotations

from typing import Any

from sandbox.store import Store

# name: (default at --speed real, default at --speed fast)
DEFAULTS: dict[str, tuple[Any, Any]] = {
    # delays in seconds of simulated time
    "auth_delay_s": (0.5, 0.02),
    "ocsp_delay_s": (0.0, 0.0),
    "token_activation_delay_s": (1.0, 0.02),
    "certificate_delay_s": (1.0, 0.02),
    "permission_delay_s": (1.0, 0.02),
    "key_check_delay_s": (0.5, 0.02),
    "invoice_accept_delay_s": (0.3, 0.01),
    "invoice_process_delay_s": (1.2, 0.03),
    "invoice_jitter_s": (0.0, 0.0),
    "storage_delay_s": (3.0, 0.03),
    "upo_delay_s": (0.0, 0.0),
    "session_close_delay_s": (1.0, 0.03),
    "batch_process_delay_s": (2.0, 0.05),
    "export_delay_s": (2.0, 0.03),
    "hwm_lag_s": (30.0, 0.05),
    # lifetimes in seconds of simulated time
    "challenge_ttl_s": (600, 600),
    "operation_token_ttl_s": (2700, 2700),
    "access_token_ttl_s": (900, 900),
    "refresh_token_ttl_s": (604800, 604800),
    "session_ttl_s": (43200, 43200),
    "upload_window_s": (1200, 1200),
    "download_url_ttl_s": (259200, 259200),
    "export_url_ttl_s": (3600, 3600),
    "export_package_ttl_s": (518400, 518400),
    "latarnia_retention_s": (2592000, 2592000),
    # sizes and counts
    "export_part_size": (50_000_000, 50_000_000),
    "truncation_threshold": (10_000, 10_000),
    "upo_page_size": (10_000, 10_000),
    "max_running_exports": (10, 10),
    # limits
    "rate_limits": ("on", "on"),
    "rate_limit_penalty_s": (1.0, 1.0),
    # behaviour left open by the documents, or seen to vary
    "authorization": ("strict", "strict"),
    "accept_self_signed": (None, None),
    "upo_only_after_close": (False, False),
    "duplicate_extensions_absent": (False, False),
    "duplicate_wrong_session": (False, False),
    "extra_json_fields": (False, False),
    "stuck_150": (False, False),
    "unstable_above_hwm": (False, False),
    "hwm_absent": (False, False),
    "no_tokens": (False, False),
    "security_blocked": (False, False),
}
CHOICES = {"rate_limits": ("on", "off"), "authorization": ("strict", "lenient")}


class Switches:
    """Current values; changes are kept in the store and survive a restart."""

    def __init__(self, store: Store, speed: str) -> None:
        self._store = store
        self._defaults = {name: pair[1 if speed == "fast" else 0] for name, pair in DEFAULTS.items()}
        self._set: dict[str, Any] = store.get_meta("switches", {})

    def __getitem__(self, name: str) -> Any:
        return self._set.get(name, self._defaults[name])

    def ms(self, name: str) -> int:
        """A duration switch in milliseconds."""
        return round(float(self[name]) * 1000)

    def view(self) -> dict[str, Any]:
        """Every switch and its current value."""
        return self._defaults | self._set

    def change(self, values: dict[str, Any]) -> None:
        """Set several switches; null restores a default; ValueError names the first bad one."""
        for name, value in values.items():
            if name not in DEFAULTS:
                raise ValueError(f"unknown switch {name!r}")
            if value is not None and not _fits(name, value):
                raise ValueError(f"switch {name!r} cannot be {value!r}")
        merged = {name: value for name, value in (self._set | values).items() if value is not None}
        self._store.set_meta("switches", merged)
        self._set = merged


def _fits(name: str, value: Any) -> bool:
    if name in CHOICES:
        return value in CHOICES[name]
    default = DEFAULTS[name][0]
    if default is None or isinstance(default, bool):
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
