"""Customer creates and confirmed charges, beside a bare route and beside localstripe."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from statistics import median

from benchmarks import _openloop
from benchmarks._frame import Row, figure, more_is_better
from benchmarks._processes import Process
from benchmarks.payments.load import CONNECTIONS, Measured, Post, post
from benchmarks.payments.localstripe import API_KEY as THEIR_KEY
from benchmarks.payments.localstripe import running_localstripe
from benchmarks.payments.stack import Stack, running_stack

# For all alike. localstripe begins empty, writes its whole store at each create and slows as it fills:
# it made 125 customers/s in rounds of 3 s, 76 in rounds of 10.
SECONDS = 15
ROUNDS = 3
TAIL_S = 5.0

CUSTOMER = "name=Jenny+Rosen&email=jenny.@n%40example.com&metadata[order]=@n"
CHARGE = "amount=1099&currency=usd&payment_method=pm_card_visa&confirm=true"


def measure_customers() -> list[Row]:
    with running_stack() as stack, stack.payments() as ours, stack.bare() as bare:
        ours_post = Post("/v1/customers", CUSTOMER, stack.api_key)
        bare_post = Post(
            "/v1/customers",
            '{"name": "Jenny Rosen", "email": "jenny.@n@example.com"}',
            media_type="application/json",
            keyed=False,
        )
        post(ours, ours_post, seconds=1)
        post(bare, bare_post, seconds=1)
        seen = _alternate(
            {
                "ours": lambda: post(ours, ours_post, seconds=SECONDS),
                "bare": lambda: post(bare, bare_post, seconds=SECONDS),
                "localstripe": lambda: _theirs(Post("/v1/customers", CUSTOMER, THEIR_KEY)),
            }
        )
        tail = _tail("customer create", stack, ours, "/v1/customers", CUSTOMER, seen["ours"])
        with stack.worker():
            beside = post(ours, ours_post, seconds=SECONDS)
    name = f"customer create with key, {CONNECTIONS} connections"
    return [
        more_is_better(
            f"{name} / bare FastAPI and one INSERT",
            seen["ours"].per_s,
            seen["bare"].per_s,
            unit="1/s",
            goal=0.6,
        ),
        more_is_better(
            f"{name} / localstripe", seen["ours"].per_s, seen["localstripe"].per_s, unit="1/s", goal=20.0
        ),
        *_figures("customer create", seen),
        tail,
        figure("customer create with the worker beside it on Postgres' core", beside.per_s, unit="1/s"),
    ]


def measure_charges() -> list[Row]:
    with running_stack() as stack, stack.bank(), stack.payments() as ours:
        ours_post = Post("/v1/payment_intents", CHARGE, stack.api_key)
        post(ours, ours_post, seconds=1)
        seen = _alternate(
            {
                "ours": lambda: post(ours, ours_post, seconds=SECONDS),
                "localstripe": lambda: _theirs(Post("/v1/payment_intents", CHARGE, THEIR_KEY)),
            }
        )
        tail = _tail("confirmed charge", stack, ours, "/v1/payment_intents", CHARGE, seen["ours"])
        with stack.worker():
            beside = post(ours, ours_post, seconds=SECONDS)
    return [
        more_is_better(
            f"confirmed charge through the bank, {CONNECTIONS} connections / localstripe",
            seen["ours"].per_s,
            seen["localstripe"].per_s,
            unit="1/s",
            goal=4.0,
        ),
        *_figures("confirmed charge", seen),
        tail,
        figure("confirmed charge with the worker beside it on Postgres' core", beside.per_s, unit="1/s"),
    ]


def _theirs(request: Post) -> Measured:
    """A process of its own for each round: it writes its whole store at each create, and begins empty."""
    with running_localstripe() as process:
        return post(process, request, seconds=SECONDS)


def _alternate(ways: Mapping[str, Callable[[], Measured]]) -> dict[str, Measured]:
    """Medians, field by field, of A B A B ..."""
    seen: dict[str, list[Measured]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, measure in ways.items():
            seen[name].append(measure())
    return {
        name: Measured(*(median(getattr(one, field.name) for one in of) for field in fields(Measured)))
        for name, of in seen.items()
    }


def _figures(what: str, seen: Mapping[str, Measured]) -> list[Row]:
    rows = []
    for name, measured in seen.items():
        rows += [
            figure(f"{what}, {name}: p50", measured.p50_ms, unit="ms"),
            figure(f"{what}, {name}: p99", measured.p99_ms, unit="ms"),
            figure(f"{what}, {name}: CPU of the server a request", measured.cpu_ms, unit="ms"),
            figure(f"{what}, {name}: wrk busy", measured.client, unit="of a core"),
        ]
    return rows


def _tail(what: str, stack: Stack, process: Process, path: str, form: str, measured: Measured) -> Row:
    """From the intended start, at 60 % of what the closed loop found."""
    plan = _openloop.Plan(
        int(process.url.rpartition(":")[2]),
        [path],
        measured.per_s * 0.6,
        TAIL_S,
        form=form.replace("@n", "o{n}"),
        headers=(f"Authorization: Bearer {stack.api_key}", "Idempotency-Key: tail-{n}"),
    )
    result = _openloop.run(plan)
    if result.server_errors or result.dropped:
        raise RuntimeError(f"{result.server_errors} failed, {result.dropped} unanswered of {result.sent}")
    label = f"p99 of {what} at 60 % load ({plan.rate_per_s:,.0f}/s, generator lag {result.lag_p99_ms:.1f})"
    return figure(label, result.p99_ms, unit="ms")
