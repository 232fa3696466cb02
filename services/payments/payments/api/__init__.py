"""The API: parse, call one use case, shape the answer; each noun's file exports its `ROUTES`."""

from typing import Final

from payments.dialect.routes import Route

ROUTES: Final[tuple[Route, ...]] = ()
