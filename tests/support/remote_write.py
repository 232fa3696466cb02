"""Remote write messages by the protobuf library, from descriptors written down here."""

from collections.abc import Iterable, Sequence
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Labels = Iterable[tuple[str | bytes, str | bytes]]
Samples = Iterable[tuple[int, float]]

_KINDS = {
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
    # Not `string`: hostile senders do not keep to UTF-8.
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
}
# Message -> fields: name, number, type (a kind, or a message), repeated.
_V1 = {
    "Label": [("name", 1, "bytes", False), ("value", 2, "bytes", False)],
    "Sample": [("value", 1, "double", False), ("timestamp", 2, "int64", False)],
    "Exemplar": [
        ("labels", 1, "Label", True),
        ("value", 2, "double", False),
        ("timestamp", 3, "int64", False),
    ],
    "Histogram": [("count_int", 1, "uint64", False), ("timestamp", 15, "int64", False)],
    "TimeSeries": [
        ("labels", 1, "Label", True),
        ("samples", 2, "Sample", True),
        ("exemplars", 3, "Exemplar", True),
        ("histograms", 4, "Histogram", True),
    ],
    "MetricMetadata": [("type", 1, "uint32", False), ("metric_family_name", 2, "bytes", False)],
    "WriteRequest": [("timeseries", 1, "TimeSeries", True), ("metadata", 3, "MetricMetadata", True)],
}
_V2 = {
    "Sample": [
        ("value", 1, "double", False),
        ("timestamp", 2, "int64", False),
        ("start_timestamp", 3, "int64", False),
    ],
    "Histogram": [("count_int", 1, "uint64", False), ("timestamp", 15, "int64", False)],
    "Exemplar": [
        ("labels_refs", 1, "uint32", True),
        ("value", 2, "double", False),
        ("timestamp", 3, "int64", False),
    ],
    "Metadata": [
        ("type", 1, "uint32", False),
        ("help_ref", 3, "uint32", False),
        ("unit_ref", 4, "uint32", False),
    ],
    "TimeSeries": [
        ("labels_refs", 1, "uint32", True),
        ("samples", 2, "Sample", True),
        ("histograms", 3, "Histogram", True),
        ("exemplars", 4, "Exemplar", True),
        ("metadata", 5, "Metadata", False),
        ("created_timestamp", 6, "int64", False),
    ],
    "Request": [("symbols", 4, "bytes", True), ("timeseries", 5, "TimeSeries", True)],
}


def _messages(package: str, shapes: dict[str, list[tuple[str, int, str, bool]]]) -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in shapes.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            added = message.field.add(name=field, number=number)
            added.label = added.LABEL_REPEATED if repeated else added.LABEL_OPTIONAL
            if kind in _KINDS:
                added.type = _KINDS[kind]
            else:
                added.type, added.type_name = added.TYPE_MESSAGE, f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in shapes
    }


V1 = _messages("test.prometheus", _V1)
V2 = _messages("test.io.prometheus.write.v2", _V2)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def snap(message: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(message))


def unsnap(block: bytes) -> bytes:
    return bytes(cramjam.snappy.decompress_raw(block))


def series(labels: Labels, samples: Samples, *, histograms: int = 0, exemplars: int = 0) -> Any:
    return V1["TimeSeries"](
        labels=[V1["Label"](name=_bytes(name), value=_bytes(value)) for name, value in labels],
        samples=[V1["Sample"](timestamp=at, value=value) for at, value in samples],
        histograms=[V1["Histogram"](count_int=1, timestamp=1) for _ in range(histograms)],
        exemplars=[V1["Exemplar"](value=1.0) for _ in range(exemplars)],
    )


def request(timeseries: Sequence[Any], *, metadata: Sequence[str] = ()) -> bytes:
    """The bytes of a WriteRequest, not compressed."""
    message = V1["WriteRequest"](
        timeseries=timeseries,
        metadata=[V1["MetricMetadata"](metric_family_name=_bytes(name)) for name in metadata],
    )
    return bytes(message.SerializeToString())


def read(message: bytes) -> list[tuple[dict[bytes, bytes], list[tuple[int, float]]]]:
    """Labels and samples of each series of a WriteRequest; raises what the library raises."""
    parsed = V1["WriteRequest"].FromString(message)
    return [
        (
            {label.name: label.value for label in one.labels},
            [(sample.timestamp, sample.value) for sample in one.samples],
        )
        for one in parsed.timeseries
    ]


class Request2:
    """A remote write 2.0 request that is put together series by series."""

    def __init__(self) -> None:
        self.message = V2["Request"](symbols=[b""])
        self._refs: dict[bytes, int] = {b"": 0}

    def add(
        self,
        labels: Labels,
        samples: Samples,
        *,
        histograms: int = 0,
        exemplars: int = 0,
        created_timestamp: int = 0,
        start_timestamp: int = 0,
    ) -> None:
        refs = [self._ref(_bytes(text)) for pair in labels for text in pair]
        self.message.timeseries.add(
            labels_refs=refs,
            samples=[
                V2["Sample"](timestamp=at, value=value, start_timestamp=start_timestamp)
                for at, value in samples
            ],
            histograms=[V2["Histogram"](count_int=1, timestamp=1) for _ in range(histograms)],
            exemplars=[V2["Exemplar"](value=1.0) for _ in range(exemplars)],
            metadata=V2["Metadata"](type=1),
            created_timestamp=created_timestamp,
        )

    def encode(self) -> bytes:
        return bytes(self.message.SerializeToString())

    def _ref(self, text: bytes) -> int:
        if text not in self._refs:
            self._refs[text] = len(self.message.symbols)
            self.message.symbols.append(text)
        return self._refs[text]
