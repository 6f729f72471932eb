"""Holds one session with a fetch server, by the official MCP client: a call for each URL on stdin.

    fetch_calls.py COMMAND ARG…

Prints `ready`, then a line for each call: what the server answered, `error:` before it where it failed.
"""

import asyncio
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


def say(text):
    print(" ".join(text.split()), flush=True)


async def main(command):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ))
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            await session.initialize()
            say("ready")
            while url := (await asyncio.to_thread(sys.stdin.readline)).strip():
                answer = await session.call_tool("fetch", {"url": url})
                failed = getattr(answer, "isError", None) or getattr(answer, "is_error", None)
                text = " ".join(part.text for part in answer.content)
                say(("error: " if failed else "") + text)


asyncio.run(main(sys.argv[1:]))
