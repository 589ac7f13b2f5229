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


def text(amount: int, currency: str) -> str:
    """Return *amount*, in the smallest unit of *currency*, for a person to read, for example ``4.99 EUR``."""
    return f"{Decimal(amount).scaleb(-decimals(currency)):f} {currency.upper()}"
