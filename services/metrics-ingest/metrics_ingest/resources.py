"""What a request finds of the process: built once in main, passed down."""

from dataclasses import dataclass

from chassis.postgres import Pool

from metrics_ingest.receivers.auth import Access
from metrics_ingest.receivers.reading import Bodies, Unpacking
from metrics_ingest.settings import MetricsSettings
from metrics_ingest.usecases.accept import Accepting
from metrics_ingest.usecases.allowance import Allowance
from metrics_ingest.usecases.judge import Judge
from metrics_ingest.usecases.series import Registry
from metrics_ingest.usecases.tenants import Tenants


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    settings: MetricsSettings
    db: Pool
    tenants: Tenants
    access: Access
    allowance: Allowance
    registry: Registry
    judge: Judge
    accepting: Accepting
    bodies: Bodies
    unpacking: Unpacking
