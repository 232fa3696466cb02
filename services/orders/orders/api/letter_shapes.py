"""Dead letters and runs as JSON."""

import base64
from typing import Any

import msgspec

from orders.domain.letters import Letter, Run, Whole
from orders.letter_schemas import (
    ActionOut,
    HeaderOut,
    LetterOut,
    PlaceOut,
    RunOut,
    WholeLetterOut,
)


def letter_out(letter: Letter) -> LetterOut:
    return LetterOut(**_fields(letter))


def whole_json(whole: Whole) -> bytes:
    """A WholeLetterOut; `decoded` is the value itself, whose depth and numbers are anybody's."""
    shown = WholeLetterOut(
        **_fields(whole.letter),
        headers={name: _text(value) for name, value in whole.headers},
        headers_base64=[HeaderOut(name=name, value_base64=_base64(value)) for name, value in whole.headers],
        value_base64=None if whole.value is None else _base64(whole.value),
        decoded=None,
        dead_letter=PlaceOut(**whole.place._asdict()),
        actions=[ActionOut.model_validate(action, from_attributes=True) for action in whole.actions],
    )
    return msgspec.json.encode(shown.model_dump(mode="json") | {"decoded": _decoded(whole.value)})


def run_out(run: Run) -> RunOut:
    return RunOut(
        run_id=run.id,
        matched=run.matched,
        done=run.done,
        kind=run.order.kind,
        dry_run=run.order.dry_run,
        rate=run.order.rate,
        max=run.order.letters_max,
        state=run.state,
        created_at=run.created_at,
        finished_at=run.finished_at,
    )


def _decoded(value: bytes | None) -> msgspec.Raw | None:
    try:
        msgspec.json.decode(value or b"null")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return msgspec.Raw(value or b"null")


def _fields(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "group": letter.group,
        **letter.origin._asdict(),
        "key": None if letter.key is None else _text(letter.key),
        "event_type": letter.event_type,
        "reason": letter.reason,
        "error_class": letter.error_class,
        "error": letter.error,
        "attempts": letter.attempts,
        "redrives": letter.redrives,
        "trace_id": letter.trace_id,
        "failed_at": letter.failed_at,
        "state": letter.state,
        "updated_at": letter.updated_at,
    }


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
