"""Commands that print what the program knows of itself."""

from __future__ import annotations

import click
import msgspec

from fazt import __version__
from fazt.boot import registry
from fazt.cli import output
from fazt.cli.options import style_of
from kernel.runtime.declarations import declarations
from kernel.syscall import javascript
from kernel.syscall import surface as made
from kernel.syscall.schema import tool


@click.command("surface")
@click.option("--types", is_flag=True, help="The TypeScript declarations, fazt.d.ts.")
@click.option("--reference", is_flag=True, help="The reference, as Markdown.")
@click.option("--mcp", is_flag=True, help="The MCP tools, as JSON.")
@click.option("--descriptors", is_flag=True, help="The JavaScript descriptors, as JSON.")
@click.pass_context
def surface(ctx: click.Context, types: bool, reference: bool, mcp: bool, descriptors: bool) -> int:
    """Everything this program can do, by every door."""
    known = registry()
    if types:
        output.write(declarations(known))
    elif reference:
        output.write(made.reference(known))
    elif mcp:
        output.write(msgspec.json.encode({"tools": [tool(d) for d in known.declared]}).decode() + "\n")
    elif descriptors:
        rows = [javascript.descriptor(entry) for entry in known if entry.declared.js]
        output.write(msgspec.json.encode(rows).decode() + "\n")
    elif style_of(ctx.obj) == "json":
        output.write(msgspec.json.encode({"data": made.rows(known)}).decode() + "\n")
    else:
        shown = [
            {"name": row["name"], "cli": row["cli"], "http": row["http"], "js": row["js"]} for row in made.rows(known)
        ]
        output.show("surface", shown, None, style_of(ctx.obj))
    return 0


@click.command("version")
def version() -> int:
    """Print the version."""
    output.write(f"fazt {__version__}\n")
    return 0
