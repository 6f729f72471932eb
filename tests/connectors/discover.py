"""One session with the official Python client, as JSON on stdout.

This client opens with `server/discover` (protocol 2026-07-28: no `initialize`, no session), where
the one for Node opens with `initialize`. A jail that hands on bytes does not notice.

    python discover.py COMMAND [ARGS...]
"""

import asyncio
import json
import sys

from mcp import Client, StdioServerParameters


async def main() -> None:
    command, *args = sys.argv[1:]
    server = StdioServerParameters(command=command, args=args)
    async with Client(server, read_timeout_seconds=20) as client:
        tools = await client.list_tools()
        answer = await client.call_tool(
            "convert_time",
            {"source_timezone": "Etc/UTC", "time": "12:00", "target_timezone": "Asia/Kolkata"},
        )
        print(json.dumps({
            "discovered": client.session.discover_result is not None,
            "protocol": client.protocol_version,
            "tools": [tool.name for tool in tools.tools],
            "text": "".join(getattr(part, "text", "") for part in answer.content),
        }))


asyncio.run(main())
