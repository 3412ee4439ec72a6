"""`Run`: one run of a request on a connection, with its progress bar, its Ctrl-C, its errors and its warnings."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import duckdb

from thano_duckdb.caller import call_in_user_frame
from thano_duckdb.dialect import Evaluate, Plan, Predict, rewrite
from thano_duckdb.errors import ThanoError
from thano_duckdb.monitoring.bar import is_shown
from thano_duckdb.monitoring.statement_bar import Progress

from .copied_folder import unread_audio
from .interrupts import delayed_interrupts, on_interrupt
from .request import NO_TEXT, Request, understand
from .row_count import count_rows
from .running_statement import REASONS_OF_EITHER, REASONS_OF_FUNCTION, REASONS_OF_PREDICT, RunningStatement
from .session import Session
from .translate_error import translate_error


class Run:
    """One run of a request. It is open from the start, and ends once.

    While it is open:

    - `step`: DuckDB works on it: it is executed, then its rows are fetched, in any number of steps. An error ends the
      step and not the run, since DuckDB may still have rows of it; Ctrl-C ends both.
    - `whole`: one step, after which nothing is left to fetch, and so the end.

    It ends by one of these; afterwards they do nothing:

    - `end`: its rows are read. The bar goes and the pending warnings are issued.
    - `end_without_rows`: it was executed and has no rows to fetch. As `end`.
    - `complete`: its work is done and nobody needs its rows. DuckDB discards them, then as `end`.
    - `abandon`: an error or Ctrl-C. The bar goes and the pending warnings are dropped.

    Attributes:
        request: what runs.
        is_open: whether it has not ended yet.
    """

    def __init__(
        self,
        raw: duckdb.DuckDBPyConnection,
        session: Session,
        request: Request = NO_TEXT,
        *,
        is_plan: bool = False,
    ) -> None:
        """Start a run on the connection `raw`, whose session is `session`; one that `is_plan` runs no model."""
        self.request = request
        self.is_open = True
        self._raw = raw
        self._session = session
        self._statement = RunningStatement(
            request.source,
            Progress(
                shown=is_shown(session.settings.progress), count_rows=functools.partial(_count_rows, raw, request.plan)
            ),
            warned_of=None if request is NO_TEXT else request.warned_of,
            changes=request.changes,
            reasons=_reasons(request),
            is_plan=is_plan,
            second_reading=request.second_reading,
        )

    # While it is open

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """Let DuckDB work on it within the block, and turn what stops the work into what the user should see.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C.
            duckdb.InterruptException: another thread called `Connection.interrupt`.
            duckdb.ConnectionException: another thread called `Connection.close`.
            ThanoError: raised by one of our functions, or by DuckDB for a column that our text names.
        """
        self._session.update_settings(self._raw)
        self._session.note_settings(self.request.text)
        try:
            with self._session.statements.running(self._statement), on_interrupt(self._interrupt):
                try:
                    yield
                finally:
                    self._statement.end_work()
        except KeyboardInterrupt:  # the second Ctrl-C, where the first one did not help
            self.abandon()
            raise
        except RuntimeError:  # likewise, as DuckDB raises it
            if not self._statement.cancelled:
                raise
        except duckdb.Error as error:
            self._statement.close_bar()
            self._statement.finish()  # lets go of the rows of a BUILD, and their file
            if not self._statement.cancelled:
                translated = self.translated(error)
                if translated is error:
                    raise
                raise translated from None
        if self._statement.cancelled:
            self.abandon()
            raise self._statement.stop_error() from None

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Run all of it within the block."""
        try:
            with self.step():
                yield
            self._notice_unread_audio()
            self.end()
        finally:
            self.abandon()

    # Its end

    def end(self) -> None:
        """Take the bar away and issue the pending warnings."""
        if self.is_open:
            self.abandon()
            self._statement.issue_warnings()

    def end_without_rows(self) -> None:
        """End it after it was executed, if that gave no rows to fetch.

        Without our functions there is nothing to end, and no need to parse the text again.
        """
        self._notice_unread_audio()
        if (self._statement.uses_models or self._statement.has_notices) and not self.request.gives_rows():
            self.end()

    def complete(self) -> None:
        """Let DuckDB discard the rows that were not fetched, which frees the connection, then end."""
        if self.is_open:
            self._raw.complete()
            self.end()

    def abandon(self) -> None:
        """Take the bar away and drop the pending warnings."""
        self.is_open = False
        self._statement.close_bar()
        self._statement.finish()

    def _notice_unread_audio(self) -> None:
        if self.request.plan is None and (advice := unread_audio(self.request.source)):
            self._statement.notice(advice)

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody has asked to stop."""
        return self._statement.cancelled

    def translated(self, error: duckdb.Error) -> ThanoError | duckdb.Error:
        """Our error behind one of DuckDB's, or that error itself."""
        return translate_error(error, self.request, self._columns_of, self._may_read) or error

    # What it asks DuckDB

    def _interrupt(self) -> None:
        self._statement.cancel()
        self._raw.interrupt()

    def _may_read(self, path: str) -> bool:
        with self._session.access() as access:
            return access.allows(path)

    def _columns_of(self, query: str) -> list[str]:
        """The columns of a query within the user's text; none where DuckDB cannot say (parameters, CTEs)."""
        try:
            return list(call_in_user_frame(self._raw.sql, rewrite(query)).columns)
        except duckdb.Error:
            return []


def _reasons(request: Request) -> str:
    """How the user sees why each clip failed: by what transcribes in the text. A derived relation has none."""
    if not request.source:
        return REASONS_OF_EITHER
    statements = request.plan.statements if request.plan is not None else ()
    is_statement = any(isinstance(statement, Predict | Evaluate) for statement in statements)
    return REASONS_OF_PREDICT if is_statement else REASONS_OF_FUNCTION


def run_leading_statements(raw: duckdb.DuckDBPyConnection, session: Session, request: Request) -> Request:
    """Run all but the last statement of a text, and return the last.

    Each runs by itself: the change that one of them asks for is not allowed to a view that another one reads.
    """
    *leading, last = request.statements
    for statement in leading:
        with delayed_interrupts():
            part = understand(statement, session, warns=False)
        with Run(raw, session, part).whole():
            relation = call_in_user_frame(raw.sql, part.sql)
            if relation is not None:
                relation.materialize()
    with delayed_interrupts():
        return understand(last, session, warns=False)


def _count_rows(raw: duckdb.DuckDBPyConnection, plan: Plan | None) -> int | None:
    """How many rows a request will transcribe, where its text alone says so, and counting changes nothing."""
    if plan is None or len(plan.statements) != 1:
        return None
    (statement,) = plan.statements
    if isinstance(statement, Predict) and statement.gives_each_channel:
        return None
    return count_rows(raw, statement.query_text)
