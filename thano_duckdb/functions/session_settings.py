"""`thano_set(name, value)`: what `SET thano_<name> = value` and RESET become."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError, brief
from thano_duckdb.settings import PREFIX

from . import arguments
from .arrow import Function, per_row

SETTING = pa.struct([pa.field("name", pa.string()), pa.field("value", pa.string())])


def set_setting(session: Session, name: str, value: str | None) -> list[dict[str, Any]]:
    """Change a setting of the connection, or, where the value is NULL, bring back what it began with.

    Args:
        session: of the connection.
        name: of the setting, without its prefix.
        value: JSON text.
    """
    session.check_asked_for("set", name=name, value=value)
    if value is None:
        session.reset(name)
    else:
        try:
            session.set(name, json.loads(value))
        except ValueError:
            raise ThanoError(f"the value {brief(value)} of a setting is not JSON") from None
    return [{"name": PREFIX + name, "value": json.dumps(getattr(session.settings, name), ensure_ascii=False)}]


FUNCTIONS = (
    Function(
        "_thano_set",
        per_row(set_setting, pa.list_(SETTING)),
        pa.list_(SETTING),
        (arguments.text("the name of the setting", required=True), arguments.text("the value of the setting")),
        changes_something=True,
    ),
)
