"""Reading and writing shapes."""

import re
from dataclasses import dataclass, fields
from typing import ClassVar, Self


@dataclass(frozen=True)
class Shape:
    """Reading and writing, for all shapes. Each field is a word; x_h x_w x_d may be written as one, x."""

    op: ClassVar[str]
    defaults: ClassVar[dict[str, int]] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads one shape. ValueError for a word that is unknown, repeated, missing or malformed."""
        names = [field.name for field in fields(cls)]
        values: dict[str, int] = {}
        for word in text.split("#")[0].split():
            match = re.fullmatch(r"([a-z_]+)(\d+)", word)
            if match is None:
                raise ValueError(f'{cls.op} shape "{text}": "{word}" is not a name and a number')
            name, number = match[1], int(match[2])
            targets = [name] if name in names else [n for n in names if re.fullmatch(f"{name}_[dhw]", n)]
            if not targets:
                raise ValueError(f'{cls.op} shape "{text}": unknown word "{word}"; known: {" ".join(names)}')
            for target in targets:
                if target in values:
                    raise ValueError(f'{cls.op} shape "{text}": "{word}" repeats {target}')
                values[target] = number
        values = cls._defaults(values) | values
        missing = [name for name in names if name not in values]
        if missing:
            raise ValueError(f'{cls.op} shape "{text}": missing {" ".join(missing)}')
        shape = cls(**values)
        shape._check()
        return shape

    @classmethod
    def _defaults(cls, given: dict[str, int]) -> dict[str, int]:
        return cls.defaults

    def _check(self) -> None:
        """Raises ValueError for a shape that cannot be."""

    def __str__(self) -> str:
        """A text that parses to this shape; what is at its default is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        defaults = self._defaults(values)
        words: list[str] = []
        for name, value in values.items():
            stem = name[:-2] if name[-2:] in ("_d", "_h", "_w") else name
            twins = [n for n in values if n.startswith(stem + "_")] if stem != name else [name]
            equal = len({values[n] for n in twins}) == 1
            usual = [defaults.get(n) for n in twins] == [values[n] for n in twins]
            if equal and name == twins[0] and not usual:
                words.append(f"{stem}{value}")
            elif not equal:
                words.append(f"{name}{value}")
        return " ".join(words)
