"""What an attempt to pay reads and writes, many rows to a round trip: this is the path of every payment."""

from chassis.once import Repeatable
from chassis.postgres import Connection
from chassis.records import Record

from payments.domain.charges import Charge
from payments.domain.events import EventRow
from payments.domain.operations import Operation
from payments.domain.payment_intents import PaymentIntent, Status
from payments.domain.payment_methods import PaymentMethod

INTENT_COLUMNS = 24


async def begin(
    conn: Connection,
    key: Repeatable,
    owner: str,
    method: PaymentMethod,
    intent: PaymentIntent,
    op: Operation,
    event: EventRow,
    told: Record,
) -> int | None:
    """Claim the key and write all that a payment begins with, in one statement; gives the key's token.

    None when the key is not new: nothing is written then.
    """
    fencing: int | None = await conn.fetchval(
        """
        WITH claimed AS (
            INSERT INTO idempotency_keys (scope, key, fingerprint, locked_by, locked_until, created_at)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT DO NOTHING
            RETURNING fencing
        ), method AS (
            INSERT INTO payment_methods (
                id, account_id, customer_id, card, exp_month, exp_year, has_cvc, checked, set_up,
                spent, allow_redisplay, billing_details, metadata, created_at
            )
            SELECT $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20
            FROM claimed
        ), intent AS (
            INSERT INTO payment_intents (
                id, account_id, status, amount, currency, capture_method, confirmation_method,
                client_secret, created_at, details, metadata, customer, payment_method,
                setup_future_usage, amount_capturable, amount_received, latest_charge,
                last_payment_error, next_action, cancellation_reason, canceled_at, authenticated,
                authentication_token, version
            )
            SELECT $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37,
                   $38, $39, $40, $41, $42, $43, $44
            FROM claimed
        ), event AS (
            INSERT INTO events (
                id, account_id, type, api_version, data, request_id, idempotency_key, traceparent, created_at
            )
            SELECT $52, $22, $53, $54, $55, $56, $2, $57, $6
            FROM claimed
        ), told AS (
            INSERT INTO outbox (topic, key, value, header_names, header_values)
            SELECT $58, $59, $60, $61, $62
            FROM claimed
        )
        INSERT INTO bank_operations (
            id, account_id, kind, intent_id, bank_key, amount, currency, context, due_at, scope, key,
            key_fencing, request_id, expand, traceparent, created_at, updated_at
        )
        SELECT $45, $22, $46, $21, $47, $24, $25, $48, $5, $1, $2,
               fencing, $49, $50, $51, $6, $6
        FROM claimed
        RETURNING key_fencing
        """,
        key.scope,
        key.key,
        key.fingerprint,
        owner,
        op.due_at,
        op.created_at,
        method.id,
        method.account_id,
        method.customer_id,
        method.card_name,
        method.exp_month,
        method.exp_year,
        method.has_cvc,
        method.checked,
        method.set_up,
        method.spent,
        method.allow_redisplay,
        method.billing_details,
        method.metadata,
        method.created_at,
        intent.id,
        intent.account_id,
        intent.status,
        intent.amount,
        intent.currency,
        intent.capture_method,
        intent.confirmation_method,
        intent.client_secret,
        intent.created_at,
        intent.details,
        intent.metadata,
        intent.customer,
        intent.payment_method,
        intent.setup_future_usage,
        intent.amount_capturable,
        intent.amount_received,
        intent.latest_charge,
        intent.last_payment_error,
        intent.next_action,
        intent.cancellation_reason,
        intent.canceled_at,
        intent.authenticated,
        intent.authentication_token,
        intent.version,
        op.id,
        op.kind,
        op.bank_key,
        op.context,
        op.request_id,
        op.expand,
        op.traceparent,
        event.id,
        event.type,
        event.api_version,
        event.data,
        event.request_id,
        event.traceparent,
        told.topic,
        told.key,
        told.value,
        [name for name, _ in told.headers],
        [value for _, value in told.headers],
    )
    return fencing


async def lock(
    conn: Connection, account_id: str, intent_id: str, method_id: str
) -> tuple[PaymentIntent, PaymentMethod] | None:
    """The intent, locked, and the payment method of the attempt."""
    row = await conn.fetchrow(
        """
        SELECT i.id, i.account_id, i.status, i.amount, i.currency, i.capture_method,
               i.confirmation_method, i.client_secret, i.created_at, i.details, i.metadata,
               i.customer, i.payment_method, i.setup_future_usage, i.amount_capturable,
               i.amount_received, i.latest_charge, i.last_payment_error, i.next_action,
               i.cancellation_reason, i.canceled_at, i.authenticated, i.authentication_token,
               i.version,
               m.id, m.account_id, m.customer_id, m.card, m.exp_month, m.exp_year, m.has_cvc,
               m.checked, m.set_up, m.spent, m.allow_redisplay, m.billing_details, m.metadata,
               m.created_at
        FROM payment_intents AS i
        JOIN payment_methods AS m ON m.account_id = i.account_id AND m.id = $3
        WHERE i.account_id = $1 AND i.id = $2
        FOR NO KEY UPDATE OF i
        """,
        account_id,
        intent_id,
        method_id,
    )
    if row is None:
        return None
    _, _, status, *rest = values = tuple(row)
    # The columns stand in the order of the fields.
    intent = PaymentIntent(values[0], values[1], Status(status), *rest[: INTENT_COLUMNS - 3])
    return intent, PaymentMethod(*values[INTENT_COLUMNS:])


async def end(conn: Connection, intent: PaymentIntent, charge: Charge, *, spends: bool) -> int:
    """Write what the bank's answer made of a locked intent, with its charge; gives the intent's version.

    `spends`: the payment method is good for no other payment.
    """
    version: int = await conn.fetchval(
        """
        WITH charge AS (
            INSERT INTO charges (
                id, account_id, payment_intent, bank_charge_id, status, amount, amount_captured,
                amount_refunded, currency, captured, voided, customer, payment_method,
                payment_method_details, billing_details, outcome, failure_code, failure_message,
                balance_transaction, metadata, details, created_at
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
                    $20, $21, $22)
        ), spent AS (
            UPDATE payment_methods SET spent = true, checked = true
            WHERE account_id = $2 AND id = $13 AND customer_id IS NULL AND $32
        )
        UPDATE payment_intents
        SET status = $23, payment_method = $24, amount_capturable = $25, amount_received = $26,
            latest_charge = $27, last_payment_error = $28, next_action = $29, authenticated = $30,
            authentication_token = $31, version = version + 1
        WHERE id = $3
        RETURNING version
        """,
        charge.id,
        charge.account_id,
        charge.payment_intent,
        charge.bank_charge_id,
        charge.status,
        charge.amount,
        charge.amount_captured,
        charge.amount_refunded,
        charge.currency,
        charge.captured,
        charge.voided,
        charge.customer,
        charge.payment_method,
        charge.payment_method_details,
        charge.billing_details,
        charge.outcome,
        charge.failure_code,
        charge.failure_message,
        charge.balance_transaction,
        charge.metadata,
        charge.details,
        charge.created_at,
        intent.status,
        intent.payment_method,
        intent.amount_capturable,
        intent.amount_received,
        intent.latest_charge,
        intent.last_payment_error,
        intent.next_action,
        intent.authenticated,
        intent.authentication_token,
        spends,
    )
    return version
