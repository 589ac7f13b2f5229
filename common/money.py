"""Amounts of money in the smallest unit of a currency, as Stripe counts them, and as text.

Not ISO 4217 but Stripe decides what 100 of a currency are: https://docs.stripe.com/currencies#minor-units. Pages show
the same text by ``web/money.js``, which a test compares with this module.
"""

from decimal import Decimal

# https://docs.stripe.com/currencies#zero-decimal
_NO_DECIMALS = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_THREE_DECIMALS = "bhd jod kwd omr tnd"
_DECIMALS = dict.fromkeys(_NO_DECIMALS.split(), 0) | dict.fromkeys(_THREE_DECIMALS.split(), 3)

# Stripe takes no fractions of ISK and UGX, although it counts them in hundredths, and no thousandths of any currency:
# https://docs.stripe.com/currencies#special-cases, https://docs.stripe.com/currencies#three-decimal
_STEPS = {"isk": 100, "ugx": 100} | dict.fromkeys(_THREE_DECIMALS.split(), 10)

# Two decimals at Stripe, but prices usually have none: the Unicode CLDR's data of currencies.
_WHOLE = "afn all cop huf idr isk lak lbp mmk pkr rsd sos std ugx yer"
_USUALLY_WHOLE = frozenset(_WHOLE.split())

_SYMBOLS_OF_CODES = """
    $ ars aud bbd bmd bnd bsd bzd cad clp cop dop fjd gyd hkd jmd kyd lrd mxn nad nzd sbd sgd srd ttd twd usd uyu xcd;
    £ fkp gbp gip shp; kr dkk isk nok sek; Rs lkr mur npr pkr; ¥ cny jpy; ؋ afn; ֏ amd; Kz aoa; ₼ azn; KM bam; ৳ bdt;
    Bs bob; R$ brl; P bwp; ₡ crc; Kč czk; E£ egp; € eur; ₾ gel; FG gnf; Q gtq; L hnl; Ft huf; Rp idr; ₪ ils; ₹ inr;
    ⃀ kgs; ៛ khr; CF kmf; ₩ krw; ₸ kzt; ₭ lak; L£ lbp; Ar mga; K mmk; ₮ mnt; RM myr; ₦ ngn; C$ nio; ₱ php; zł pln;
    ₲ pyg; lei ron; ₽ rub; RF rwf; ฿ thb; T$ top; ₺ try; ₴ uah; ₫ vnd; FCFA xaf; F_CFA xof; CFPF xpf; R zar; ZK zmw
"""
"""The Unicode CLDR's narrow symbols in English, of currencies whose symbol is not their code; _ is a narrow space."""
_SYMBOLS = {
    code: symbol.replace("_", "\N{NARROW NO-BREAK SPACE}")
    for symbol, *codes in map(str.split, _SYMBOLS_OF_CODES.split(";"))
    for code in codes
}


def decimals(currency: str) -> int:
    """Return the number of decimals of *currency* (ISO 4217, in lower case) in Stripe's amounts."""
    return _DECIMALS.get(currency, 2)


def step(currency: str) -> int:
    """Return the number of which every charge in *currency* is a multiple, in its smallest unit."""
    return _STEPS.get(currency, 1)


def amount(units: int, currency: str) -> Decimal:
    """Return *units*, of the smallest unit of *currency*, as an amount, for example 499 as ``4.99``."""
    return Decimal(units).scaleb(-decimals(currency))


def text(units: int, currency: str) -> str:
    """Return *units*, of the smallest unit of *currency*, for a person to read.

    For example ``$4.99``, ``¥500``, ``Ft 1,000`` or ``CHF 4.99``, each space being one that does not break.
    """
    exact = amount(units, currency)
    whole = currency in _USUALLY_WHOLE and exact == exact.to_integral_value()
    symbol = _SYMBOLS.get(currency, currency.upper())
    space = "\N{NO-BREAK SPACE}" if symbol[-1].isalpha() else ""
    return f"{symbol}{space}{exact:,.{0 if whole else decimals(currency)}f}"
