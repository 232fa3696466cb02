"""metrics-ingest before a broker that acknowledges at once and keeps nothing: what sending costs."""

import itertools
from collections.abc import Sequence
from unittest.mock import patch

from chassis.kafka import Ack, Record
from metrics_ingest import main
from metrics_ingest.settings import MetricsSettings


class Nothing:
    """In the producer's place."""

    connected = True

    def __init__(self, settings: MetricsSettings) -> None:
        del settings
        self._offsets = itertools.count()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send_many(self, records: Sequence[Record]) -> list[Ack]:
        return [Ack(0, next(self._offsets)) for _ in records]


if __name__ == "__main__":
    with patch.object(main, "new_producer", Nothing):
        main.main()
