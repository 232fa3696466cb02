"""Kafka in and out: `Producer` and the records it sends."""

from chassis.kafka.producer import (
    Ack,
    BrokerAway,
    Producer,
    ProducerLimits,
    QueueFull,
    RecordRefused,
    SendFailed,
)
from chassis.kafka.records import Message, Record, cloudevent_attributes, cloudevent_headers

__all__ = [
    "Ack",
    "BrokerAway",
    "Message",
    "Producer",
    "ProducerLimits",
    "QueueFull",
    "Record",
    "RecordRefused",
    "SendFailed",
    "cloudevent_attributes",
    "cloudevent_headers",
]
