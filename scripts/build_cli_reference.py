"""``docs/reference/cli.md`` from the commands; ``build_docs`` writes it.

Built from the declared parameters and not from printed help, which depends on the width of the terminal. What
a command does is said in its docstring, never here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from scripts.reference_pages.markdown import head, page, table

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"
PROGRAM: Final = "demo-pipeline"
HEAD: Final = head(f"`{PROGRAM}`: the commands", "the command's docstring")


class Parameter(Protocol):
    """What is used of an argument or option; typer brings its own copy of click, which is private."""

    name: str
    opts: Sequence[str]
    secondary_opts: Sequence[str]
    param_type_name: str
    required: bool
    default: Any
    metavar: str | None
    nargs: int


class Command(Protocol):
    """What is used of a command or group."""

    help: str | None
    epilog: str | None
    hidden: bool
    params: Sequence[Parameter]


def subcommands(command: Command) -> Mapping[str, Command]:
    """The commands of a group by name; none of a command."""
    return cast("Mapping[str, Command]", getattr(command, "commands", {}))


def leaves(command: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command that does something, with the words that call it, in the order of ``--help``."""
    below = subcommands(command)
    if not below and path:
        yield path, command
    for name, child in below.items():
        if not child.hidden:
            yield from leaves(child, (*path, name))


def prose(text: str | None) -> Iterator[str]:
    r"""Help text as Markdown: a paragraph that begins with ``\b`` or a command line is a block of code."""
    for paragraph in (text or "").split("\n\n"):
        lines = paragraph.replace("\f", "").strip("\n").splitlines()
        is_code = bool(lines) and lines[0].strip() == "\b"
        lines = [line for line in lines if line.strip() != "\b"]
        titles = [line for line in lines if line.strip().rstrip(":").lower() in {"example", "examples"}]
        commands = [line for line in lines if line not in titles]
        if not commands:
            continue
        is_example = all(line.strip().lstrip("$ ").startswith((PROGRAM, "#")) for line in commands)
        if is_example:
            yield "```console\n" + "\n".join(f"$ {line.strip().lstrip('$ ')}" for line in commands) + "\n```"
        elif is_code:
            yield "```text\n" + "\n".join(line.rstrip() for line in commands) + "\n```"
        else:
            yield "\n".join(line.strip() for line in lines)


def parameter_row(parameter: Parameter) -> list[str]:
    """One line of the table of arguments and options."""
    if parameter.param_type_name == "argument":
        name = f"`{(parameter.metavar or parameter.name).upper()}`"
    else:
        names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
        takes_value = not getattr(parameter, "is_flag", False)
        name = f"{names} {(parameter.metavar or parameter.name).upper()}" if takes_value else names
    default = parameter.default
    meaning = str(getattr(parameter, "help", None) or "").rstrip(".")
    facts = [f"{meaning}." if meaning else ""]
    if parameter.required:
        facts.append("Required.")
    elif not callable(default) and default not in (None, False, "", ()) and not isinstance(default, Path):
        facts.append(f"Default: `{getattr(default, 'value', default)}`.")
    return [name, " ".join(fact for fact in facts if fact)]


def usage(path: tuple[str, ...], command: Command) -> str:
    """``demo-pipeline tenant show [OPTIONS] SLUG``."""
    words = [PROGRAM, *path]
    if any(parameter.param_type_name == "option" for parameter in command.params):
        words.append("[OPTIONS]")
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = (parameter.metavar or parameter.name).upper().strip("[]").removesuffix("...")
            name += "..." if parameter.nargs == -1 else ""
            words.append(name if parameter.required else f"[{name}]")
    return " ".join(words)


def render(root: Command) -> str:
    """The whole page."""
    blocks = [HEAD, *prose(root.help)]
    for path, command in leaves(root):
        blocks.append(f"## `{' '.join(path)}`")
        blocks.append(f"```text\n{usage(path, command)}\n```")
        blocks.extend(prose(command.help))
        rows = [parameter_row(item) for item in command.params if not getattr(item, "hidden", False)]
        if rows:
            blocks.append(table(["argument or option", "meaning"], rows))
        blocks.extend(prose(command.epilog))
    return page(blocks)


def load_root() -> Command:
    """The program's command tree."""
    # Imported here, so that the functions above can be tried on any other program.
    from demo_pipeline.cli.command_tree import root

    return cast("Command", root())
