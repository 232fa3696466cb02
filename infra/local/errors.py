"""The one error a user of the local runtime meets: what went wrong, and what to do next."""


class LocalError(Exception):
    """Printed without a traceback; `hint` is the next step."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
