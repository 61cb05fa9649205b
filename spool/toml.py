"""Reading the configuration file by field name: every error says which field, and shows the bad value."""

import re
import tomllib
from collections.abc import Iterable
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from spool.domain.errors import ConfigError

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""An e-mail address as SMTP takes it without extensions; no quoting, no line breaks, nothing to inject with."""


def load(path: Path) -> "Table":
    """The configuration file as the root table. Raises ConfigError when it cannot be read or is not TOML."""
    try:
        return Table("", tomllib.loads(path.read_text(encoding="utf-8")), path.parent)
    except OSError as error:
        raise ConfigError(f"Nie można odczytać pliku konfiguracji {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"Plik konfiguracji {path} nie jest poprawnym plikiem TOML: {error}.") from error


class Table:
    """One table of the file. Getters name the field in their errors; `done` refuses what nobody asked for."""

    def __init__(self, name: str, values: dict[str, Any], base: Path) -> None:
        self.name = name
        self._values = values
        self._base = base
        self._asked: set[str] = set()

    def text(self, key: str, default: str | None = None, choices: Iterable[str] = ()) -> str:
        """A string; required when there is no default."""
        value = self._typed(key, str, default)
        allowed = tuple(choices)
        if allowed and value not in allowed:
            raise self.bad(key, value, f"dozwolone: {', '.join(allowed)}")
        return str(value)

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        return bool(self._typed(key, bool, default))

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A number within bounds."""
        value = self._typed(key, (int, float), default)
        if isinstance(value, bool) or not low <= value <= high:
            raise self.bad(key, value, f"liczba od {low:g} do {high:g}")
        return float(value)

    def day(self, key: str) -> date:
        """A required TOML date (no quotes)."""
        value = self._typed(key, date, None)
        if isinstance(value, datetime):  # TOML's date with a time is a date for Python, too
            raise self.bad(key, value, "data bez godziny, np. 2026-11-01")
        return date.fromisoformat(str(value))

    def days(self, key: str) -> tuple[date, ...]:
        """A list of TOML dates, empty when absent."""
        values = self._typed(key, list, [])
        if not all(isinstance(v, date) and not isinstance(v, datetime) for v in values):
            raise self.bad(key, values, "lista dat, np. [2027-05-02]")
        return tuple(values)

    def counts(self, high: int) -> dict[str, int]:
        """Everything in this table: names of the user's own, each with a whole number from 0 to `high`."""
        self._asked |= self._values.keys()
        for key, value in self._values.items():
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= high:
                raise self.bad(key, value, f"liczba całkowita od 0 do {high}")
        return dict(self._values)

    def path(self, key: str, default: str = "") -> Path | None:
        """A path, relative ones counted from the configuration file; None when empty."""
        value = self.text(key, default)
        return (self._base / value).resolve() if value else None

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty when absent."""
        values = self._typed(key, list, [])
        if not all(isinstance(v, str) for v in values):
            raise self.bad(key, values, "lista napisów")
        return tuple(values)

    def addresses(self, key: str) -> tuple[str, ...]:
        """A list of e-mail addresses, empty when absent."""
        return tuple(self._address(key, value) for value in self.texts(key))

    def address(self, key: str) -> str:
        """One e-mail address, empty when absent."""
        value = self.text(key, "")
        return self._address(key, value) if value else ""

    def table(self, key: str) -> "Table":
        """A sub-table, empty when absent."""
        return Table(self._label(key), self._typed(key, dict, {}), self._base)

    def has(self, key: str) -> bool:
        """True when the file says anything under this name."""
        return key in self._values

    def tables(self, key: str) -> list["Table"]:
        """An array of tables (`[[key]]`)."""
        found = self._typed(key, list, [])
        return [Table(f"{key}[{i}]", values, self._base) for i, values in enumerate(found, 1)]

    def done(self, *others: str) -> None:
        """Refuse keys that nobody asked for; `others` are read by another part of the program."""
        for key in self._values.keys() - self._asked - set(others):
            near = get_close_matches(key, self._asked | set(others), 1)
            hint = f"Czy chodziło o „{near[0]}”?" if near else "Proszę usunąć to pole."
            raise ConfigError(f"Nieznane pole konfiguracji „{self._label(key)}”.", hint)

    def bad(self, key: str, value: object, why: str) -> ConfigError:
        """The error for a bad value, to be raised."""
        return ConfigError(f"Błędna wartość pola „{self._label(key)}”: {value!r} ({why}).")

    def _typed(self, key: str, kind: Any, default: Any) -> Any:
        self._asked.add(key)
        value = self._values.get(key, default)
        if value is None:
            raise ConfigError(f"Brakuje pola konfiguracji „{self._label(key)}”.")
        if not isinstance(value, kind):
            raise self.bad(key, value, "zły typ wartości")
        return value

    def _address(self, key: str, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise self.bad(key, value, "to nie jest adres e-mail")
        return value

    def _label(self, key: str) -> str:
        return f"{self.name}.{key}" if self.name else key
