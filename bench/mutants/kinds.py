"""The kinds of changes, each with its operators of cosmic-ray.

Left out are changes that no type checker would let through (`a < b` to `a is b`), those of the operators of bits (most
are unions of types), and second changes that say no more than the first (`a + b` to `a ** b`).
"""

from __future__ import annotations


def _swaps(of: str, pairs: str) -> tuple[str, ...]:
    return tuple(f"core/Replace{of}_{pair}" for pair in pairs.split())


KINDS = {
    "comparison": _swaps(
        "ComparisonOperator",
        "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is",
    ),
    "number": ("core/NumberReplacer",),
    "arithmetic": (
        *_swaps("BinaryOperator", "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul"),
        "core/ReplaceUnaryOperator_Delete_USub",
    ),
    "logic": (
        "core/ReplaceTrueWithFalse",
        "core/ReplaceFalseWithTrue",
        "core/ReplaceAndWithOr",
        "core/ReplaceOrWithAnd",
        "core/ReplaceUnaryOperator_Delete_Not",
        "core/AddNot",
    ),
    "flow": (
        "core/ReplaceBreakWithContinue",
        "core/ReplaceContinueWithBreak",
        "core/ZeroIterationForLoop",
        "core/ExceptionReplacer",
        "core/RemoveDecorator",
    ),
}
