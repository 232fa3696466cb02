"""VictoriaMetrics as an ordinary process. What it would drop or cut in silence lies above what we accept."""

from pathlib import Path

# Known to 1.79 and to the image's version alike; docker-compose.yml gives the same.
FLAGS = (
    "-retentionPeriod=1y",
    # A point that the writer sends again after a rewind counts once.
    "-dedup.minScrapeInterval=1ms",
    # Above the most that a tenant may be allowed (0001_tenants.sql), the label of the tenant included.
    "-maxLabelsPerTimeseries=64",
    "-maxLabelValueLen=16384",
    # An answer at `min_position` holds what was written until now, and a range ends where it was asked to.
    "-search.latencyOffset=0s",
    "-search.maxStepForPointsAdjustment=0s",
    # A sample is seen for five minutes, as in Prometheus, however seldom its series has one.
    "-search.minStalenessInterval=5m",
    "-search.maxStalenessInterval=5m",
    "-memory.allowedBytes=512MiB",
    "-loggerLevel=WARN",
)


def command(data: Path, port: int) -> list[str]:
    return ["victoria-metrics", f"-storageDataPath={data}", f"-httpListenAddr=127.0.0.1:{port}", *FLAGS]
