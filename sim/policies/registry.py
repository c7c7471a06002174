"""Where policies register, and where plug-ins bring more of them.

A plug-in is a Python file, or an installed package with an entry point in the group ``aipower.policies``. Code never
stands in a scenario file.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import re
import sys
import tokenize
import types
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sim.errors import PolicyError
from sim.policies import SHIPPED
from sim.policies.base import BasePolicy

GROUP = "aipower.policies"
"""Group of entry points; the name of each is the policy's."""

_PACKAGE = "sim.policies"
_PLUGIN_MODULE = "aipower_plugin_"

P = TypeVar("P", bound=type[BasePolicy])


class PlugIn(NamedTuple):
    """A file of policies: its name, its text, and the hash of that."""

    file: str
    text: str
    sha256: str


_CLASSES: dict[str, type[BasePolicy]] = {}
_PLUGINS: dict[str, PlugIn] = {}
"""By module."""


def policy(cls: P) -> P:
    """Register a policy under its class's name in snake case: ``ComputeTax`` is ``compute_tax``.

    Raises
    ------
    PolicyError
        When the class has no docstring, asks for a lever that does not exist, has a name that is taken, or no levers.
    """
    from sim.policies.levers import LEVERS

    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.__name__).lower()
    if not (cls.__doc__ or "").strip() or cls.__doc__ == BasePolicy.__doc__:
        message = f"policy {name} has no docstring; say in its first line what it does"
        raise PolicyError(message)
    if unknown := [lever for lever in cls.uses if lever not in LEVERS]:
        message = f"policy {name} uses {', '.join(unknown)}; levers are {', '.join(LEVERS)}"
        raise PolicyError(message)
    is_ours = cls.__module__ == f"{_PACKAGE}.{name}"
    known = _CLASSES.get(name)
    if (name in SHIPPED and not is_ours) or (known is not None and known.__module__ != cls.__module__):
        message = f"there is a policy {name} already; give the class {cls.__name__} another name"
        raise PolicyError(message)
    if cls.levers is BasePolicy.levers:
        message = f"policy {name} does nothing; give it a method `levers(self, scene)` that answers with levers"
        raise PolicyError(message)
    cls.name = name
    _CLASSES[name] = cls
    return cls


def registered() -> tuple[str, ...]:
    """Names of the policies whose code was loaded."""
    return tuple(_CLASSES)


@functools.cache
def installed() -> dict[str, metadata.EntryPoint]:
    """Entry points of installed packages by the policy's name; their code is not loaded."""
    return {point.name: point for point in metadata.entry_points(group=GROUP)}


def looked_up(name: str) -> type[BasePolicy]:
    """Class of a policy; imports it when it is not yet loaded."""
    if name not in _CLASSES:
        if name in SHIPPED:
            importlib.import_module(f"{_PACKAGE}.{name}")
        elif name in installed():
            _load_installed(installed()[name])
    if name not in _CLASSES:
        message = f"there is no policy {name!r}; `aipower list policies` names them, --plugin FILE brings more"
        raise PolicyError(message)
    return _CLASSES[name]


def _load_installed(point: metadata.EntryPoint) -> None:
    try:
        point.load()
    except PolicyError:
        raise
    except Exception as error:
        message = f"the installed policy {point.name} ({point.value}) cannot be loaded: {error}"
        raise PolicyError(message) from error


def load_plugin(path: str | Path) -> tuple[str, ...]:
    """Load a file of policies.

    Parameters
    ----------
    path : str or Path
        A Python file. Its code is run.

    Returns
    -------
    tuple of str
        Names of the policies that it registered.

    Raises
    ------
    PolicyError
        When the file cannot be read or run, or holds no policy.
    """
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (OSError, UnicodeDecodeError, SyntaxError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8 or in an encoding that it names"
        message = f"the plug-in {path} cannot be read: {reason}; name a Python file with policies"
        raise PolicyError(message) from error
    return _load(PlugIn(Path(path).name, text, hashlib.sha256(text.encode()).hexdigest()))


def _load(plugin: PlugIn) -> tuple[str, ...]:
    """Run a plug-in's text as a module, once."""
    name = _PLUGIN_MODULE + plugin.sha256[:16]
    if name not in _PLUGINS:
        module = types.ModuleType(name)
        module.__file__ = plugin.file
        sys.modules[name] = module
        before = dict(_CLASSES)
        try:
            exec(compile(plugin.text, plugin.file, "exec"), module.__dict__)  # noqa: S102 - the user named the file
            if set(_CLASSES) == set(before):
                message = "it registers no policy; put @policy above a class of one"
                raise PolicyError(message)  # noqa: TRY301 - told with the others below
        except (Exception, SystemExit) as error:
            _CLASSES.clear()
            _CLASSES.update(before)
            del sys.modules[name]
            where = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
            kind = "" if isinstance(error, PolicyError) else f"{type(error).__name__}{where}: "
            message = f"the plug-in {plugin.file} cannot be used: {kind}{getattr(error, 'msg', error)}"
            raise PolicyError(message) from error
        _PLUGINS[name] = plugin
    return tuple(each for each, cls in _CLASSES.items() if cls.__module__ == name)


def is_shipped(policy: object) -> bool:
    """Whether a policy is of this project, which knows what it looks at and does, and not a user's own."""
    return type(policy).__module__.startswith(f"{_PACKAGE}.")


def plugin_of(name: str) -> PlugIn | None:
    """Plug-in file that brought a policy; None for one that is shipped or installed."""
    return _PLUGINS.get(looked_up(name).__module__)


def revived(name: str, parameters: dict[str, Any], plugin: PlugIn | None) -> BasePolicy:
    """Make a policy again in another process, which may not have loaded its plug-in."""
    if plugin is not None:
        _load(plugin)
    return looked_up(name).model_validate(parameters)
