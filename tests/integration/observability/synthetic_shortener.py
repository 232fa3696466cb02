"""Two replicas and a worker of the shortener under traffic."""

from tests.integration.observability.synthetic_process import Process

TOPIC = "shortener.clicks-recorded.v1"


class Replica(Process):
    def advance(self) -> None:
        super().advance()
        self.redirects()
        self.management()
        self.pipeline()

    def redirects(self) -> None:
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        tiers = self.counter("shortener_redirects", "tier", "status")
        medians = {"l1": 0.00018, "redis": 0.0009, "postgres": 0.004, "none": 0.0012}
        for _ in range(int(60 * self.load())):
            [tier] = self.random.choices(list(medians), (80, 14, 4, 2))
            status = self.random.choice(("404", "404", "410")) if tier == "none" else "302"
            seconds = self.seconds(medians[tier], 0.6)
            sampled = self.random.random() < 0.004
            example = self.trace("GET /{slug}", seconds) if sampled else None
            http.labels("GET", "/{slug}", status).observe(seconds, example)
            tiers.labels(tier, status).inc()
        self.gauge("http_server_active_requests").set(self.random.randrange(5))

    def management(self) -> None:
        http = self.histogram("http_server_request_duration_seconds", "method", "route", "status")
        routes = (
            ("POST", "/v1/links", "201"),
            ("GET", "/v1/links/{id}", "200"),
            ("GET", "/v1/links/{id}/stats", "200"),
        )
        for method, route, status in self.random.choices(routes, k=4):
            seconds = self.seconds(0.006)
            example = self.trace(f"{method} {route}", seconds) if self.random.random() < 0.03 else None
            http.labels(method, route, status).observe(seconds, example)
            self.counter("ratelimit_decisions", "limiter", "decision").labels("tenant", "allowed").inc()
            if method == "POST":
                self.counter("shortener_links_created", "via").labels("api").inc()
                self.counter("idempotency_outcomes", "outcome").labels("claimed").inc()
        self.counter("shortener_links_changed", "change").labels("update").inc(self.random.random() < 0.2)

    def pipeline(self) -> None:
        self.gauge("shortener_cache_tracking_up", "source").labels("redis").set(1)
        self.gauge("shortener_cache_entries", "kind").labels("live").set(42_000 + self.random.randrange(800))
        self.counter("shortener_cache_fills", "outcome").labels("stored").inc(self.random.randrange(4))
        self.counter("shortener_cache_invalidations", "source").labels("tracking").inc(
            self.random.random() < 0.3
        )
        self.gauge("shortener_invalidations_pending").set(0)
        self.counter("shortener_clicks_sent").inc(int(58 * self.load()))
        self.gauge("shortener_clicks_buffered").set(self.random.randrange(60))
        self.counter("shortener_visits_granted").inc(self.random.random() < 0.5)
        self.counter("shortener_visits_refused").inc(self.random.random() < 0.1)
        self.counter("kafka_producer_records", "topic", "outcome").labels(TOPIC, "acknowledged").inc(3)
        self.histogram("kafka_producer_send_seconds", "topic").labels(TOPIC).observe(self.seconds(0.003))


class Worker(Process):
    def advance(self) -> None:
        super().advance()
        for partition in range(6):
            lag = self.random.randrange(9)
            self.gauge("kafka_consumer_lag_records", "group", "topic", "partition").labels(
                "clicks", TOPIC, partition
            ).set(lag)
            age = self.gauge("kafka_consumer_lag_seconds", "group", "topic", "partition")
            age.labels("clicks", TOPIC, partition).set(lag * 0.12)
        self.histogram("kafka_consumer_batch_seconds", "group").labels("clicks").observe(self.seconds(0.012))
        self.counter("kafka_consumer_records", "group", "topic", "outcome").labels(
            "clicks", TOPIC, "applied"
        ).inc(6)
        applied = self.counter("shortener_clicks_applied", "kind")
        applied.labels("human").inc(int(100 * self.load()))
        applied.labels("bot").inc(int(14 * self.load()))
        self.gauge("outbox_pending_records").set(self.random.randrange(4))
        self.gauge("outbox_oldest_age_seconds").set(self.random.uniform(0, 0.3))
        self.counter("outbox_relayed").inc(self.random.randrange(3))
