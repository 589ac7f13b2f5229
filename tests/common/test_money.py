"""Amounts of money: what Stripe charges is what mails, the provider's page and our pages show."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from common import money

ROOT = Path(__file__).parent.parent.parent
# The currencies of https://docs.stripe.com/currencies#presentment-currencies whose decimals, or number of decimals that
# prices usually have, are not 2, and some others.
_CODES = """
    bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf bhd jod kwd omr tnd afn all cop huf idr isk
    lak lbp mmk pkr rsd sos std ugx yer twd usd eur gbp chf aed aud brl cad cny czk dkk egp hkd ils inr mxn
    nok pln sek sgd thb try uah zar kzt gel bdt khr ngn php ron rub lkr mur npr nzd
"""


@pytest.mark.parametrize(
    ("units", "currency", "value", "shown"),
    [
        (990, "usd", "9.9", "$9.90"),
        (5, "usd", "0.05", "$0.05"),
        (0, "eur", "0", "€0.00"),
        (1_234_567, "eur", "12345.67", "€12,345.67"),
        (1200, "jpy", "1200", "¥1,200"),
        (500, "xof", "500", "F\N{NARROW NO-BREAK SPACE}CFA\N{NO-BREAK SPACE}500"),
        (500, "xpf", "500", "CFPF\N{NO-BREAK SPACE}500"),
        (5120, "kwd", "5.12", "KWD\N{NO-BREAK SPACE}5.120"),
        (499, "chf", "4.99", "CHF\N{NO-BREAK SPACE}4.99"),
        # Stripe counts these in hundredths, although their prices usually have no decimals.
        (100_000, "huf", "1000", "Ft\N{NO-BREAK SPACE}1,000"),
        (100_050, "huf", "1000.5", "Ft\N{NO-BREAK SPACE}1,000.50"),
        (500, "isk", "5", "kr\N{NO-BREAK SPACE}5"),
        (500, "ugx", "5", "UGX\N{NO-BREAK SPACE}5"),
        (100_000, "twd", "1000", "$1,000.00"),
    ],
)
def test_an_amount_is_what_stripe_charges(units: int, currency: str, value: str, shown: str) -> None:
    """Follow https://docs.stripe.com/currencies#special-cases: to charge 5 UGX, provide an amount value of 500."""
    assert money.amount(units, currency) == Decimal(value)
    assert money.text(units, currency) == shown


def test_pages_show_the_same_text_as_mails() -> None:
    prices = [[units, currency] for currency in _CODES.split() for units in (0, 50, 999, 100_000, 123_456_789)]
    sent = json.dumps(prices)
    shown = subprocess.run(["node", "tests/common/money.mjs"], cwd=ROOT, input=sent, capture_output=True, text=True)

    differences = [
        (units, currency, page, money.text(units, currency))
        for (units, currency), page in zip(prices, json.loads(shown.stdout), strict=True)
        if page != money.text(units, currency)
    ]
    assert differences == []


@pytest.mark.parametrize(("currency", "step"), [("isk", 100), ("ugx", 100), ("kwd", 10), ("usd", 1), ("jpy", 1)])
def test_a_charge_is_a_multiple_of_what_stripe_takes(currency: str, step: int) -> None:
    """https://docs.stripe.com/currencies#special-cases and https://docs.stripe.com/currencies#three-decimal"""
    assert money.step(currency) == step
