"""Options that take all values that follow them: ``--precision fp32 fp16 int8``."""

from __future__ import annotations

from typing import Any

import click


class ManyValuesCommand(click.Command):
    """A command whose options with ``multiple=True`` may be followed by several values.

    ``--option a b`` means ``--option a --option b``. Values end at the next option or at ``--``;
    those of a choice also at the first word that is none of it, so that an argument may follow.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its values, then parse as click does."""
        many = {
            name: parameter
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for name in parameter.opts
        }
        return super().parse_args(ctx, _repeated(args, many))


def _repeated(args: list[str], many: dict[str, click.Option]) -> list[str]:
    result: list[str] = []
    current: tuple[str, click.Option] | None = None
    values = 0
    for position, word in enumerate(args):
        if word == "--":
            return [*result, *args[position:]]
        if word.startswith("-"):
            current, values = ((word, many[word]) if word in many else None), 0
            result.append(word)
            continue
        if current is not None and values and not _takes(current[1].type, word):
            current = None
        if current is not None and values:
            result.append(current[0])
        result.append(word)
        values += 1
    return result


def _takes(kind: Any, word: str) -> bool:
    return not isinstance(kind, click.Choice) or word in kind.choices
