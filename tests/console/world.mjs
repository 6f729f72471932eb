// What the browser's tests run in: a network namespace with a loopback and nothing else, a workspace, the
// real `jail console`, and a server that connectors may want to reach.

import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

export const JAIL = process.env.JAIL;
/** Looks like an address of the public internet; in this namespace it is ours. */
export const HOST = '93.184.215.14';
const INSIDE = 'JAIL_CONSOLE_INSIDE';

/** Starts this program again in a network namespace of its own. Gives its exit code, or a reason to skip. */
export function leaveTheMachine(program) {
  if (process.env[INSIDE]) return undefined;
  const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
  const words = ['--net', ...user, '--', process.execPath, program];
  const done = spawnSync('unshare', words, { stdio: 'inherit', env: { ...process.env, [INSIDE]: '1' } });
  return done.status ?? 1;
}

export function bringUp() {
  // Nothing but this namespace's own loopback is there to be brought up.
  for (const words of [['link', 'set', 'lo', 'up'], ['addr', 'add', `${HOST}/32`, 'dev', 'lo']]) {
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const done = spawnSync('ip', words, { encoding: 'utf8', env });
    if (done.status !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr ?? done.error}`);
  }
  const others = Object.keys(os.networkInterfaces()).filter((name) => name !== 'lo');
  if (others.length) throw new Error(`there is a way out: ${others.join(', ')}`);
}

const open = [];

/** Ends what was started here, the last first. */
export async function close() {
  for (const end of open.reverse()) await end();
}

export function workspace(name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'jail-console-'));
  const root = path.join(folder, name);
  fs.mkdirSync(path.join(root, '.cloned', 'policy'), { recursive: true });
  fs.mkdirSync(path.join(folder, 'run'), { mode: 0o700 });
  open.push(() => fs.rmSync(folder, { recursive: true, force: true }));
  return { root, env: { ...process.env, XDG_RUNTIME_DIR: path.join(folder, 'run'), HOME: folder } };
}

export function jail(place, ...words) {
  return spawnSync(JAIL, words, { cwd: place.root, env: place.env, encoding: 'utf8', timeout: 60_000 });
}

/** A jail that goes on: its process, what it printed, and how it ended. */
export function start(place, ...words) {
  return begin(place, JAIL, words);
}

/** The same of any program. */
export function begin(place, program, words) {
  const child = spawn(program, words, { cwd: place.root, env: place.env, stdio: ['pipe', 'pipe', 'pipe'] });
  const it = { child, out: '', err: '', status: undefined };
  child.stdout.on('data', (text) => { it.out += text; });
  child.stderr.on('data', (text) => { it.err += text; });
  it.ended = new Promise((resolve) => child.on('close', (status) => { it.status = status; resolve(it); }));
  open.push(async () => { if (it.status === undefined) child.kill('SIGTERM'); await it.ended; });
  return it;
}

/** `jail console`, serving. */
export async function serve(place, ...words) {
  const it = start(place, 'console', '--json', ...words);
  const lines = readline.createInterface({ input: it.child.stdout });
  const line = await Promise.race([
    new Promise((resolve) => lines.once('line', resolve)),
    it.ended.then(() => { throw new Error(`jail console ended: ${it.err}`); }),
  ]);
  return Object.assign(it, JSON.parse(line));
}

/** The same address for who does not resolve names as a browser does, and the name for its header. */
export function byAddress(url) {
  const { port } = new URL(url);
  return { url: `http://127.0.0.1:${port}`, host: `jail.localhost:${port}` };
}

/** A link with a new code, as `jail console` in a second terminal prints it. */
export function link(place) {
  const done = jail(place, 'console', '--json');
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout);
}

/** What connectors may want to reach; counts who did. */
export async function target(port) {
  const seen = [];
  const server = http.createServer((request, response) => { seen.push(request.url); response.end('REACHED\n'); });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, HOST, resolve));
  open.push(() => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }));
  return seen;
}

/** A page of somebody else, on this machine; `seen` gets the cookies that come to it. */
export async function stranger(html, seen = []) {
  const server = http.createServer((request, response) => {
    seen.push(request.headers.cookie ?? '');
    response.setHeader('content-type', 'text/html').end(html);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => new Promise((resolve) => { server.closeAllConnections(); server.close(resolve); }));
  return `http://127.0.0.1:${server.address().port}/`;
}

/** Waits for something that has to come; how long it takes is not the matter. */
export async function until(what, act, patience = 30_000) {
  const end = Date.now() + patience;
  for (;;) {
    const seen = await act();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function rules(place) {
  const done = jail(place, 'firewall', 'list', '--json');
  if (done.status !== 0) throw new Error(done.stderr);
  const parsed = JSON.parse(done.stdout);
  return parsed.rules ?? parsed;
}

/** Requests as another process of jail writes them down. */
export function ask(place, ...requests) {
  const script = path.join(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), 'ask.py');
  const done = spawnSync('python3', [script, path.join(place.root, '.cloned', 'state.db')],
    { input: JSON.stringify(requests), encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout);
}
