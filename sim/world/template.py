"""A folder of world tables to start from: the shipped facts, with comments on what each may say."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from sim.parameters import DATA, parameter_table
from sim.world.tables import ATTRIBUTES, KINDS, SHIPMENT_UNIT, Attribute, world_folders

_TITLES = {
    "firms": "Developers of AI at the start. Small firms and entrants are generated: see small_firms_initial.",
    "owners": "Owners of compute.",
    "makers": "Makers of AI chips.",
    "sectors": "Sectors of the economy that buy AI.",
}
_RULES = (
    "One fact on each line; the order of names is that of results. A line that begins with # is a comment.",
    "Columns low and high (plausible range), kind and source may be left out.",
    f"Kinds of evidence: {', '.join(KINDS)}.",
)


def write_template(folder: Path) -> list[Path]:
    """Write every table of ``world_2024`` into a new folder.

    Parameters
    ----------
    folder : Path
        Must not exist yet.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    FileExistsError
        When the folder is there already.
    """
    folder.mkdir(parents=True)
    texts = {name: [*_about(name), *_shipped(name)] for name in ATTRIBUTES}
    texts["shipments"] = [*_about_shipments(), *_shipped("shipments")]
    texts["parameters"] = list(_parameters())
    files = []
    for name, lines in texts.items():
        path = folder / f"{name}.csv"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        files.append(path)
    return files


def _shipped(name: str) -> list[str]:
    return (DATA / f"{name}.csv").read_text(encoding="utf-8").splitlines()


def _about(name: str) -> Iterator[str]:
    yield f"# {_TITLES[name]}"
    yield f"# This table replaces the base world's: delete the file to keep the base's {name}."
    yield from (f"# {rule}" for rule in _RULES)
    yield "#"
    for key, attribute in ATTRIBUTES[name].items():
        yield f"# {key if attribute.kind != 'mapping' else f'{key}.OWNER'}: {_described(attribute)}"


def _described(attribute: Attribute) -> str:
    """Meaning, what is allowed, and whether it must be there."""
    if attribute.choices:
        allowed = ", ".join(attribute.choices[:-1]) + f" or {attribute.choices[-1]}"
    elif attribute.kind == "text":
        allowed = "the name of an owner"
    else:
        most = "" if attribute.maximum is None else f", at most {attribute.maximum:g}"
        unit = "a ratio" if attribute.unit == "ratio" else f"in {attribute.unit}"
        allowed = f"{unit}, at least {attribute.minimum:g}{most}"
    need = "; needed" if attribute.required else ""
    default = "; empty: the parameter affiliation_partner" if attribute.kind == "mapping" else ""
    return f"{attribute.sentence}; {allowed}{default}{need}"


def _about_shipments() -> Iterator[str]:
    yield "# The world's shipments of AI chips in the first quarters, one after another; then the model decides."
    yield "# This table replaces the base world's: delete the file to keep the base's shipments."
    yield from (f"# {rule}" for rule in _RULES[1:])
    yield "#"
    yield f"# value: in {SHIPMENT_UNIT}, at least 0"


def _parameters() -> Iterator[str]:
    """Every parameter as a comment, so that those that stay are the base's."""
    yield "# The scalars of the model. Remove the # of a row and change its value; the others stay the base world's."
    yield from (f"# {rule}" for rule in _RULES[1:])
    yield "# Hard limits and meanings: aipower show parameter NAME"
    yield "name,value,unit,low,high,kind,source"
    rows = csv.reader(_shipped("parameters"))
    header = next(rows)
    known = parameter_table(world_folders("world_2024"))
    for cells in rows:
        row = dict(zip(header, cells, strict=True))
        kept = [
            row["name"],
            f"{known[row['name']].value:g}",
            known[row["name"]].unit,
            row["low"],
            row["high"],
            row["kind"],
        ]
        yield "#" + ",".join(kept) + f',"{row["source"].replace(chr(34), chr(34) * 2)}"'
