"""Orders, inventory and notifications under traffic, with a few dead letters."""

from tests.integration.observability.synthetic_process import Process

ROUTES = (
    ("POST", "/v1/orders", "202"),
    ("GET", "/v1/orders/{id}", "200"),
    ("GET", "/v1/products", "200"),
)
STATES = ("reserving", "authorising", "confirming", "capturing")


class Consumer(Process):
    """What every worker with a consumer group and an outbox shows."""

    group: str
    topic: str

    def advance(self) -> None:
        super().advance()
        labels = ("group", "topic", "partition")
        for partition in range(6):
            lag = self.random.randrange(5)
            place = (self.group, self.topic, str(partition))
            self.gauge("kafka_consumer_lag_records", *labels).labels(*place).set(lag)
            self.gauge("kafka_consumer_lag_seconds", *labels).labels(*place).set(lag * 0.1)
        records = self.counter("kafka_consumer_records", "group", "topic", "outcome")
        records.labels(self.group, self.topic, "applied").inc(int(20 * self.load()))
        batches = self.histogram("kafka_consumer_batch_seconds", "group")
        batches.labels(self.group).observe(self.seconds(0.01))
        self.gauge("kafka_consumer_parked_keys", "group").labels(self.group).set(self.random.random() < 0.1)
        self.gauge("outbox_pending_records").set(self.random.randrange(6))
        self.gauge("outbox_oldest_age_seconds").set(self.random.uniform(0, 0.2))
        self.counter("outbox_relayed").inc(int(20 * self.load()))


class Api(Process):
    def advance(self) -> None:
        super().advance()
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        for method, route, status in self.random.choices(ROUTES, k=int(8 * self.load())):
            seconds = self.seconds(0.008)
            example = self.trace(f"{method} {route}", seconds) if self.random.random() < 0.03 else None
            http.labels(method, route, status).observe(seconds, example)
            self.counter("orders_placed").inc(method == "POST")
        self.gauge("http_server_active_requests").set(self.random.randrange(4))


class Worker(Consumer):
    group, topic = "orders", "inventory.reservation-changed.v1"

    def advance(self) -> None:
        super().advance()
        self.gauge("orders_sagas_stuck").set(0)
        for state in STATES:
            self.gauge("orders_in_flight", "state").labels(state).set(self.random.randrange(9))
            age = self.gauge("orders_saga_oldest_age_seconds", "state")
            age.labels(state).set(self.random.uniform(0, 2))
            steps = self.counter("orders_saga_transitions", "from", "to")
            steps.labels(state, "next").inc(3)
        for _ in range(int(4 * self.load())):
            self.finish()
        self.counter("redrives", "group", "outcome").labels("inventory", "redriven").inc(0)
        self.gauge("redrive_run_active").set(0)
        for state in ("dead", "resolved"):
            self.gauge("dead_letters", "group", "state").labels("inventory", state).set(2)

    def finish(self) -> None:
        ends = (("completed", "none"), ("rejected", "out_of_stock"), ("rejected", "payment_declined"))
        status, reason = self.random.choices(ends, (90, 6, 4))[0]
        self.counter("orders_finished", "status", "reason").labels(status, reason).inc()
        self.histogram("orders_placed_to_finished_seconds").observe(self.seconds(0.4))
        self.counter("orders_payment_calls", "operation", "outcome").labels("authorise", "done").inc()
        calls = self.histogram("orders_payment_call_seconds", "operation")
        calls.labels("authorise").observe(self.seconds(0.06))


class Inventory(Consumer):
    group, topic = "inventory", "orders.stock-requested.v1"

    def advance(self) -> None:
        super().advance()
        outcomes = self.counter("inventory_reservations", "outcome")
        outcomes.labels("reserved").inc(int(4 * self.load()))
        outcomes.labels("refused").inc(self.random.random() < 0.2)
        self.gauge("inventory_reservations_held").set(self.random.randrange(40))
        self.counter("inventory_reservations_expired").inc(0)
        self.histogram("inventory_batch_orders").observe(self.random.randrange(1, 9))
        self.gauge("inventory_oversold").set(0)
        for kind in ("on_hand", "reserved", "sold"):
            self.gauge("inventory_stock_units", "kind").labels(kind).set(10_000)


class Notifications(Consumer):
    group, topic = "notifications", "orders.order-changed.v1"

    def advance(self) -> None:
        super().advance()
        sent = self.counter("notifications_sent", "channel", "outcome")
        sent.labels("mail", "sent").inc(int(4 * self.load()))
        times = self.histogram("notifications_send_seconds", "channel")
        times.labels("mail").observe(self.seconds(0.02))
        self.counter("notifications_links", "outcome").labels("created").inc(int(4 * self.load()))
        retried = self.counter("kafka_consumer_retried", "group", "tier")
        retried.labels("notifications", "5s").inc(self.random.random() < 0.1)
        self.gauge("kafka_consumer_paused_partitions", "group").labels("notifications").set(1)
