"""The model procedure says what the installation is set to do."""

from pathlib import Path

from click.testing import CliRunner

from sluza.__main__ import cli
from tests.unit.test_settings import GOOD


def printed(directory: Path, config: str) -> str:
    """What `sluza policy print` says with this configuration."""
    path = directory / "sluza.toml"
    path.write_text(config, encoding="utf-8")
    done = CliRunner().invoke(cli, ["--config", str(path), "policy", "print"])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_settings_are_filled_in(tmp_path: Path) -> None:
    """Units, who receives centrally, what is allowed, with the order behind it; unknown things stay dots."""
    orders = """
[policy.offline24]
value = "allowed"
order = "zarządzenie nr 10/2026"
[policy.consumers]
value = "refuse"
"""
    text = printed(tmp_path, GOOD + orders)
    assert "Tryb offline24 na życzenie jednostki: dozwolony (zarządzenie nr 10/2026)." in text
    assert "- Faktury dla konsumentów: odmowa z wyjaśnieniem;" in text
    assert "zarządzenia nr ……………" in text
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1. Kogo dotyczy", "## 2. Wystawianie faktur", "## 3. Terminy, brak łączności i awarie",
        "## 4. Odbieranie faktur zakupowych", "## 5. Osoby, role i kontakt", "## 6. Przechowywanie i kontrola",
        "## 7. Postanowienia końcowe",
    ]  # fmt: skip


def test_a_name_makes_no_table_of_its_own(tmp_path: Path) -> None:
    """What would be Markdown or HTML in a unit's name is text."""
    text = printed(tmp_path, GOOD.replace('name = "', 'name = "<b>A|B</b> ', 1))
    assert "<b>" not in text
    assert "A/B" in text
