"""Drives a fetch server over stdio with the official MCP client.

    fetch.py URL COMMAND ARG…

Prints what the server answered; `error:` before it where the server says that it failed.
"""

import asyncio
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main(url, command):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            answer = await session.call_tool("fetch", {"url": url})
    failed = getattr(answer, "isError", None) or getattr(answer, "is_error", None)
    text = " ".join(part.text for part in answer.content)
    print(("error: " if failed else "") + text)


asyncio.run(main(sys.argv[1], sys.argv[2:]))
