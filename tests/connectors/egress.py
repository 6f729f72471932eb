"""What an agent does with `jail mcp`, by the official Python client: as JSON on stdout.

    python egress.py TOOL_ID DOMAIN COMMAND [ARGS...]
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters

PREFIX = "cloned.internal.security.egress."


async def main() -> None:
    tool, domain, command, *args = sys.argv[1:]
    server = StdioServerParameters(command=command, args=args)
    told = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with Client(server, read_timeout_seconds=30) as client:
        tools = await client.list_tools()
        update = await client.call_tool(
            f"{PREFIX}update@v1",
            {"scope": "tool", "tool_id": tool, "domains": [domain], "reason": "to see"},
            progress_callback=progress,
        )
        check = await client.call_tool(
            f"{PREFIX}check@v1", {"domain": domain, "tool_id": tool}
        )
        wrong = await client.call_tool(
            f"{PREFIX}update@v1",
            {"scope": "tool", "tool_id": "nobody.here@v1", "domains": [domain], "reason": "x"},
        )
        print(json.dumps({
            "tools": sorted(tool.name for tool in tools.tools),
            "update": update.structured_content,
            "check": check.structured_content,
            "wrong": "".join(getattr(part, "text", "") for part in wrong.content),
            "is_error": wrong.is_error,
            "told": told,
        }))


asyncio.run(main())
