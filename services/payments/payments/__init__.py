"""An idempotent payments API in the dialect of Stripe."""
