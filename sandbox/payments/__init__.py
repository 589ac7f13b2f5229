"""A payment provider on loopback: the part of Stripe's HTTP API that a shop uses, its payment page, and its webhooks.

No money moves, and nothing is kept from one start to the next. A shop that works with it works with Stripe after a
change of address and key: https://docs.stripe.com/api
"""

API_KEY = "sk_test_sandbox"
"""The secret key of the one account."""
