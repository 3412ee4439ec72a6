"""What can refuse a build before any of its rows is read."""

from __future__ import annotations

from thano_duckdb.connection.session import Session
from thano_duckdb.errors import ThanoError
from thano_duckdb.option import StatementKind
from thano_duckdb.speech.processor import OPENVINO
from thano_duckdb.training.training_options import TrainingOptions

from .arrow import parse_options


def check_build(
    session: Session, name: str | None, base: str | None, options: object, *, is_last: bool
) -> TrainingOptions:
    """The options of a call of `thano_build`, which may be made.

    Args:
        session: of the connection that calls.
        name: of the new model.
        base: what it is made from.
        options: JSON text, a STRUCT, or NULL.
        is_last: the build follows; False where the same call checks again.

    Raises:
        ThanoError: the statement does not ask for it, the name or an option is refused, or the database may not write.
    """
    session.check_asked_for("build", is_last=is_last, name=name, base=base, options=options)
    if name is None or base is None:
        raise ThanoError("a build needs the name of the new model and of its base; one is NULL")
    names = ("device", "precision", "max_bytes", "max_duration", "timeout")
    of_connection = {name: getattr(session.settings, name) for name in names}
    if of_connection["device"] == OPENVINO:  # torch trains, on the same processor
        of_connection["device"] = "cpu"
    chosen = TrainingOptions(**{**of_connection, **parse_options(options, "thano_build", StatementKind.BUILD)})
    session.registry.free_name(name, overwrite=chosen.overwrite)
    with session.access() as access:
        session.check_changes_allowed(access, "BUILD MODEL")
    return chosen
