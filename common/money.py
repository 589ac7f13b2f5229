"""Amounts of money in the smallest unit of a currency, as Stripe counts them.

https://docs.stripe.com/currencies#minor-units
"""

from decimal import Decimal

_NO_DECIMALS = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DECIMALS = "bhd jod kwd omr tnd"
_DECIMALS = dict.fromkeys(_NO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)


def decimals(currency: str) -> int:
    """Return the number of decimals of *currency* (ISO 4217, in lower case).

    Stripe counts UGX and ISK in hundredths, although neither has decimals any more:
    https://docs.stripe.com/currencies#special-cases
    """
    return _DECIMALS.get(currency, 2)


def amount(units: int, currency: str) -> Decimal:
    """Return *units*, of the smallest unit of *currency*, as an amount, for example 499 as ``4.99``."""
    return Decimal(units).scaleb(-decimals(currency))


def text(units: int, currency: str) -> str:
    """Return *units*, of the smallest unit of *currency*, for a person to read, for example ``4.99 EUR``."""
    return f"{amount(units, currency):f} {currency.upper()}"
