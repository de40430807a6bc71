"""Small mistakes that Cosmic Ray makes: all there are, those drawn, and how the code reads then."""

import ast
import difflib
import itertools
import math
import pathlib
import random
from collections.abc import Iterator
from typing import NamedTuple

from cosmic_ray import mutating, plugins
from cosmic_ray.ast import ast_nodes, get_ast

# One replacement for each operator, the one most easily written by mistake. Texts are not changed.
OPERATORS = (
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("FloorDiv_Div", "Mod_FloorDiv", "Pow_Mul")),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("RShift_LShift", "BitAnd_BitOr")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_NotEq", "NotEq_Eq", "Is_IsNot")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("IsNot_Is", "Lt_LtE", "LtE_Lt")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Gt_GtE", "GtE_Gt")),
    *("ReplaceUnaryOperator_USub_UAdd", "ReplaceUnaryOperator_Delete_Not", "AddNot"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ZeroIterationForLoop"),
    *("ExceptionReplacer", "NumberReplacer", "RemoveDecorator"),
)


class Mutant(NamedTuple):
    path: str  # From the root of the repository.
    line: int
    operator: str
    occurrence: int  # Which of the places in the file where the operator acts.

    @property
    def part(self) -> str:
        return pathlib.Path(self.path).parts[1].removesuffix(".py")

    def code(self, source: str) -> str:
        """The whole file with the mistake; empty where that would be no code.

        Cosmic Ray takes the stars of `f(**options)` for a power, and no dotted name of an error.
        """
        operator = plugins.get_operator(f"core/{self.operator}")()
        try:
            code = mutating.mutate_code(source, operator, self.occurrence)
            ast.parse(code)
        except (AttributeError, SyntaxError):
            return ""
        return code

    def change(self, source: str) -> str:
        """The lines that differ, as they were and as they are."""
        lines = difflib.unified_diff(source.splitlines(), self.code(source).splitlines(), n=0)
        changed = (line for line in list(lines)[2:] if not line.startswith("@@"))
        return "\n".join(f"    {line[0]} {line[1:].strip()}" for line in changed)


def mutants(tree: pathlib.Path, path: str) -> Iterator[Mutant]:
    """All mistakes for a file, with those that would be no code."""
    parsed = get_ast((tree / path).read_text(encoding="utf-8"))
    for name in OPERATORS:
        operator = plugins.get_operator(f"core/{name}")()
        places = (at for node in ast_nodes(parsed) for at in operator.mutation_positions(node))
        for occurrence, ((line, _), _) in enumerate(places):
            yield Mutant(path, line, name, occurrence)


def draw(tree: pathlib.Path, every: list[Mutant], size: int | None, seed: int) -> list[Mutant]:
    """As many of each part, drawn evenly, in any order; of a part that has not so many, all."""
    rng = random.Random(seed)
    parts = sorted({mutant.part for mutant in every})
    drawn = []
    for part in parts:
        own = [mutant for mutant in every if mutant.part == part]
        code = (m for m in rng.sample(own, len(own)) if m.code((tree / m.path).read_text("utf-8")))
        drawn += itertools.islice(code, None if size is None else math.ceil(size / len(parts)))
    return rng.sample(drawn, len(drawn))
