"""Kafka in and out: records, the producer that survives its broker, the consumer loop."""

from chassis.kafka.consumer import ConsumerLoop
from chassis.kafka.delivery import TIERS, DeliveryLoop, Tier
from chassis.kafka.events import Handlers, Incoming
from chassis.kafka.faults import Faults
from chassis.kafka.limits import ConsumerLimits
from chassis.kafka.producer import Producer, ProducerLimits
from chassis.records import (
    Ack,
    BrokerAway,
    Message,
    QueueFull,
    Record,
    RecordRefused,
    SendFailed,
    TopicUnknown,
    cloudevent_attributes,
    cloudevent_headers,
)

__all__ = [
    "TIERS",
    "Ack",
    "BrokerAway",
    "ConsumerLimits",
    "ConsumerLoop",
    "DeliveryLoop",
    "Faults",
    "Handlers",
    "Incoming",
    "Message",
    "Producer",
    "ProducerLimits",
    "QueueFull",
    "Record",
    "RecordRefused",
    "SendFailed",
    "Tier",
    "TopicUnknown",
    "cloudevent_attributes",
    "cloudevent_headers",
]
