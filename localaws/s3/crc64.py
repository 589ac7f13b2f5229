"""CRC-64/NVME of large bodies, the checksum that S3 computes if a request names none.

The table of the emulator takes more than a second for 10 MB. This module folds: a CRC is the remainder of a polynomial
over GF(2), so the first half of a block, times x to the power of the length of the second half, can be added to the
second half. A fold is a few dozen shifts and XORs of large integers, ten times as fast.
https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-64-nvme
"""

from functools import cache

from ministack.services import s3

POLYNOMIAL = 0x1AD93D23594C93659
ONES = (1 << 64) - 1
BLOCK = 256 * 1024  # bytes that stay in the cache of a processor
SHORT = 64  # bytes for which the table is as fast


def crc64nvme(body: bytes) -> int:
    """Return the CRC-64/NVME of *body*."""
    crc = 0
    for start in range(0, len(body), BLOCK):
        crc = continued(crc, body[start : start + BLOCK])
    return crc


def continued(crc: int, block: bytes) -> int:
    """Return the CRC of a body that ends with *block*, given the CRC of what is before it."""
    if len(block) <= SHORT:
        return from_table(crc, block)
    # CRC-64/NVME is reflected: the lowest bit is the highest power of x.
    rest, size = int.from_bytes(block, "little") ^ crc ^ ONES, len(block)
    while size > SHORT:
        first = (size - 8) // 2 * 8
        second = size * 8 - first
        product = multiply(rest & (1 << first) - 1, factor(second))  # of first + 63 bits
        rest, size = rest >> first ^ product << second - (first + 63), second // 8
    return from_table(ONES, rest.to_bytes(size, "little"))


def from_table(crc: int, block: bytes) -> int:
    crc ^= ONES
    for byte in block:
        crc = s3._CRC64NVME_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ ONES


def multiply(many: int, few: int) -> int:
    """Return the product of two polynomials over GF(2), in a time that grows with the bits of *few*."""
    product = 0
    while few:
        lowest = few & -few
        product ^= many << lowest.bit_length() - 1
        few ^= lowest
    return product


@cache
def factor(exponent: int) -> int:
    """Return x to the power *exponent* modulo the polynomial, reflected."""
    result, square = 1, 2
    while exponent:
        if exponent & 1:
            result = remainder(multiply(result, square))
        square = remainder(multiply(square, square))
        exponent >>= 1
    return int(f"{result:064b}"[::-1], 2)


def remainder(polynomial: int) -> int:
    while (length := polynomial.bit_length()) > 64:
        polynomial ^= POLYNOMIAL << length - 65
    return polynomial
