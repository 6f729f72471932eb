// Sessions with the official client, with and without jail.

import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { MARK, left, marked } from './processes.mjs';

/** Where the connectors and the client are installed. */
export const installed = resolve(process.env.CONNECTORS ?? 'build/connectors');

const require = createRequire(`${installed}/`);
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');

/** The program under test. Empty: none, so that whatever must be refused is seen to succeed. */
const jail = (process.env.JAIL ?? '').split(' ').filter(Boolean);

/** The client's own patience is a minute; a connector that answers at all does so at once. */
const TIMEOUT = { timeout: 20_000 };

/** `command` as it is, or in a jail when `grants` are given. */
export function commandLine(command, grants, mark = randomUUID()) {
  if (grants === undefined || jail.length === 0) return command;
  return [...jail, 'run', '--env', `${MARK}=${mark}`, ...grants, '--', ...command];
}

/** The client's own transport, with an ear on the raw bytes and on the end of the process. */
class ListeningTransport extends StdioClientTransport {
  bytes = [];
  log = [];

  async start() {
    this.stderr.on('data', (chunk) => this.log.push(chunk));
    await super.start();
    this._process.stdout.on('data', (chunk) => this.bytes.push(chunk));
    this.input = this._process.stdin; // the transport forgets its process when that ends
    this.ended = new Promise((done) => {
      this._process.once('close', (code, signal) => done(signal ?? code));
    });
  }
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms).unref());

/** Holds a session: opens it, lets `talk` use it, closes it as the client does. */
export async function hold({ command, grants, env = {} }, talk) {
  const mark = randomUUID();
  const [program, ...args] = commandLine(command, grants, mark);
  const transport = new ListeningTransport({
    command: program, args, env: { [MARK]: mark, ...env }, stderr: 'pipe',
  });
  const client = new Client({ name: 'jail-tests', version: '1.0.0' });
  try {
    await client.connect(transport, TIMEOUT);
    const tools = (await client.listTools(undefined, TIMEOUT)).tools;
    const call = (name, args = {}) => ask(client, name, args);
    const answer = await talk(call, { tools, pid: transport.pid });
    const seen = marked(mark).length;
    // The client itself gives a server two seconds after the end of its input, which a busy machine
    // needs for less: only one that ignores the end shall meet its SIGTERM.
    transport.input.end();
    await Promise.race([transport.ended, pause(8000)]);
    await client.close();
    const status = shellStatus(await transport.ended);
    return {
      answer, status, seen,
      server: client.getServerVersion(),
      tools: tools.length,
      stdout: Buffer.concat(transport.bytes),
      left: await left(mark),
    };
  } catch (error) {
    await client.close();
    const log = Buffer.concat(transport.log).toString().trim().split('\n').slice(-3).join(' | ');
    throw new Error(`${error.message}${log ? `; stderr: ${log}` : ''}`);
  }
}

/** A tool call as text. A tool error and a protocol error are both answers. */
async function ask(client, name, args) {
  try {
    const result = await client.callTool({ name, arguments: args }, undefined, TIMEOUT);
    const text = result.content.map((part) => part.text ?? '').join('\n');
    return { ok: !result.isError, text };
  } catch (error) {
    // No answer is not a refusal: a connector that died would otherwise pass for a jailed one.
    if (!(error.code <= -32600)) throw error;
    return { ok: false, text: error.message };
  }
}

const SIGNALS = { SIGKILL: 9, SIGTERM: 15 };

/** Exit status as a shell says it: what a jail can hand on, since it ends by itself. */
function shellStatus(end) {
  return typeof end === 'string' ? 128 + (SIGNALS[end] ?? 0) : end;
}

/** Runs a command that is no MCP server: `input` in, bytes and exit status out. */
export function run(command, grants, input = '') {
  const [program, ...args] = commandLine(command, grants);
  return new Promise((done, failed) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000 });
    const out = [];
    const log = [];
    child.on('error', failed);
    child.stdout.on('data', (chunk) => out.push(chunk));
    child.stderr.on('data', (chunk) => log.push(chunk));
    child.stdin.on('error', () => {}); // the command may well end without reading
    child.stdin.end(input);
    child.on('close', (code, signal) => {
      const stderr = Buffer.concat(log).toString().trim();
      done({ status: shellStatus(signal ?? code), stdout: Buffer.concat(out), stderr });
    });
  });
}
