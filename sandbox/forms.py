"""The form codes KSeF accepts (protocol §5)."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.fields import Fields


@dataclass(frozen=True)
class Form:
    """A form code; `batch` = allowed in batch sessions, `only_test` = not on production."""

    system_code: str
    schema_version: str
    value: str
    batch: bool = True
    only_test: bool = False

    def view(self) -> dict[str, str]:
        """The FormCode object."""
        return {"systemCode": self.system_code, "schemaVersion": self.schema_version, "value": self.value}


FORMS = (
    Form("FA (3)", "1-0E", "FA"),
    Form("FA (2)", "1-0E", "FA", only_test=True),
    Form("FA_RR (1)", "1-1E", "FA_RR"),
    Form("PEF (3)", "2-1", "PEF", batch=False),
    Form("PEF_KOR (3)", "2-1", "PEF", batch=False),
)


def read(body: Fields, *, batch: bool, profile: str) -> Form:
    """The form of a `formCode` object; 21405 for an unknown one, or one not allowed here (I1)."""
    named = (body.text("systemCode"), body.text("schemaVersion"), body.text("value"))
    for form in FORMS:
        if named == (form.system_code, form.schema_version, form.value):
            if (batch and not form.batch) or (form.only_test and profile == "prod"):
                break
            return form
    if all(named):
        body.reject("systemCode", "nieobsługiwany kod formularza")
    return FORMS[0]


def by_system_code(code: str) -> Form | None:
    """The form of a systemCode, None if KSeF does not know it."""
    return next((form for form in FORMS if form.system_code == code), None)
