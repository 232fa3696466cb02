"""A replica and a worker of payments, and the bank, under traffic."""

from tests.integration.observability.synthetic_process import Process

TOPIC = "payments.payment-intent-changed.v1"
BANK_ROUTES = ("/v1/payment_intents", "/v1/payment_intents/{id}/confirm", "/v1/refunds")


class Api(Process):
    def advance(self) -> None:
        super().advance()
        self.requests()
        self.charges()
        self.gauge("resilience_breaker_state", "name").labels("bank").set(0)
        self.counter("ratelimit_decisions", "limiter", "decision").labels("account", "allowed").inc(12)

    def requests(self) -> None:
        routes = (
            ("POST", "/v1/customers", "200"),
            ("GET", "/v1/customers", "200"),
            ("GET", "/v1/payment_intents/{id}", "200"),
            ("GET", "/v1/balance", "200"),
        )
        for method, route, status in self.random.choices(routes, k=int(8 * self.load())):
            self.answer(method, route, status, 0.006)
            if method == "POST":
                self.counter("idempotency_outcomes", "outcome").labels("claimed").inc()
        self.gauge("http_server_active_requests").set(self.random.randrange(4))

    def charges(self) -> None:
        for _ in range(int(4 * self.load())):
            declined = self.random.random() < 0.06
            seconds = self.seconds(0.045)
            self.answer("POST", self.random.choice(BANK_ROUTES), "402" if declined else "200", seconds)
            outcome = self.random.choices(("claimed", "replay", "inflight"), (90, 8, 2))[0]
            self.counter("idempotency_outcomes", "outcome").labels(outcome).inc()
            calls = self.counter("payments_bank_calls", "operation", "outcome")
            calls.labels("authorise", "declined" if declined else "done").inc()
            self.histogram("payments_bank_call_seconds", "operation").labels("authorise").observe(seconds / 2)
            self.settled("declined" if declined else "captured", 1900 + self.random.randrange(4000))

    def settled(self, outcome: str, amount_minor: int) -> None:
        money = self.counter("payments_money_minor", "outcome", "currency")
        money.labels(outcome, self.random.choice(("usd", "eur"))).inc(amount_minor)
        status = "requires_payment_method" if outcome == "declined" else "succeeded"
        self.counter("payments_intents", "status").labels(status).inc()
        self.counter("payments_events_recorded", "type").labels(f"payment_intent.{status}").inc()

    def answer(self, method: str, route: str, status: str, median: float) -> None:
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        seconds = self.seconds(median)
        sampled = self.random.random() < 0.02
        example = self.trace(f"{method} {route}", seconds) if sampled else None
        http.labels(method, route, status).observe(seconds, example)


class Worker(Process):
    def advance(self) -> None:
        super().advance()
        for kind in ("authorise", "capture", "refund"):
            unknown = int(self.random.random() < 0.05)
            self.gauge("payments_unknown_outcomes", "kind").labels(kind).set(unknown)
        self.gauge("payments_unknown_outcome_oldest_age_seconds").set(self.random.uniform(0, 3))
        reconciled = self.counter("payments_operations_reconciled", "kind", "outcome")
        reconciled.labels("authorise", "succeeded").inc(self.random.random() < 0.1)
        self.counter("payments_operations_fenced").inc(0)
        self.gauge("payments_ledger_imbalance").set(0)
        self.webhooks()
        self.gauge("outbox_pending_records").set(self.random.randrange(4))
        self.gauge("outbox_oldest_age_seconds").set(self.random.uniform(0, 0.3))
        self.counter("outbox_relayed").inc(self.random.randrange(6))
        self.counter("kafka_producer_records", "topic", "outcome").labels(TOPIC, "acknowledged").inc(3)

    def webhooks(self) -> None:
        attempts = self.counter("payments_webhook_attempts", "outcome")
        attempts.labels("delivered").inc(self.random.randrange(6))
        attempts.labels("failed").inc(self.random.random() < 0.1)
        self.histogram("payments_webhook_attempt_seconds").observe(self.seconds(0.02))
        self.gauge("payments_webhook_pending").set(self.random.randrange(9))
        self.gauge("payments_webhook_lag_seconds").set(self.random.uniform(0, 0.5))


class Bank(Process):
    def advance(self) -> None:
        super().advance()
        requests = self.counter("bank_requests", "operation", "outcome")
        requests.labels("authorise", "authorised").inc(int(4 * self.load()))
        requests.labels("authorise", "declined").inc(self.random.random() < 0.2)
        self.counter("bank_faults", "kind").labels("slow").inc(self.random.random() < 0.05)
