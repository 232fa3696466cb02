"""The generator's own remote write bodies, read back by the protobuf library."""

from loadtests import remote_write
from tests.support.remote_write import V1, unsnap

AT_MS = 1_763_727_384_123


def test_a_body_is_what_the_protocol_says() -> None:
    labels = [{"__name__": "a", "host": f"h{n}", "text": "x" * (10 * n)} for n in range(40)]
    heads = [remote_write.series(one) for one in labels]
    found = V1["WriteRequest"].FromString(unsnap(remote_write.body(heads, range(40), AT_MS)))
    assert [
        {label.name.decode(): label.value.decode() for label in series.labels} for series in found.timeseries
    ] == labels
    samples = [(sample.value, sample.timestamp) for one in found.timeseries for sample in one.samples]
    assert samples == [(float(n), AT_MS) for n in range(40)]
