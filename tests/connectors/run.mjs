// Real connectors, each with and without jail: the same session must give the same bytes.
//
//   JAIL=target/debug/jail node tests/connectors/run.mjs
//
// Whatever must be refused is first tried without jail, where it must succeed; else its refusal
// would prove nothing. With JAIL empty nothing is jailed, and the refusals fail: so does the run.

import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connectors, everything, filesystem, git, time } from './connectors.mjs';
import { Folders } from './folders.mjs';
import { left, marked } from './processes.mjs';
import { check, close, must, skip } from './report.mjs';
import { commandLine, hold, installed, run } from './session.mjs';
import { syscalls } from './syscalls.mjs';

const here = dirname(fileURLToPath(import.meta.url));

// === the same session twice

async function sameSession({ name, command, grants, calls }) {
  const talk = async (call) => {
    for (const [tool, args, says] of calls) {
      const { ok, text } = await call(tool, args);
      must(ok, `${tool} failed: ${text}`);
      must(text.includes(says), `${tool} answered ${JSON.stringify(text)}`);
    }
  };
  let without;
  let within;
  await check(`${name}: works without jail`, async () => {
    without = await hold({ command }, talk);
    return summary(without);
  });
  await check(`${name}: works in the jail`, async () => {
    within = await hold({ command, grants }, talk);
    return summary(within);
  });
  await check(`${name}: its stdout is the same to the byte`, () => {
    must(without && within, 'one of the sessions failed');
    must(without.stdout.length > 0, 'nothing was recorded');
    must(without.stdout.equals(within.stdout), difference(without.stdout, within.stdout));
    return `${within.stdout.length} bytes`;
  });
  await check(`${name}: its exit status is handed on`, () => {
    must(without && within, 'one of the sessions failed');
    must(without.status === within.status, `${without.status} became ${within.status}`);
    return `${within.status}`;
  });
  await check(`${name}: no process is left`, () => {
    must(within, 'the jailed session failed');
    must(within.seen > 0, 'no process was seen during the session either');
    must(within.left.length === 0, `left: ${within.left.join(' ')}`);
    return `${within.seen} during the session, 0 after`;
  });
}

function summary({ server, tools, stdout }) {
  return `${server.name} ${server.version}, ${tools} tools, ${stdout.length} bytes`;
}

function difference(one, other) {
  const at = one.findIndex((byte, i) => byte !== other[i]);
  const from = Math.max(0, (at < 0 ? one.length : at) - 40);
  const show = (bytes) => JSON.stringify(bytes.subarray(from, from + 120).toString());
  return `differs near byte ${from}: ${show(one)} became ${show(other)}`;
}

// === what must be refused

/** The same call in both; `evidence` is what only a call that got through can know. */
async function refused(name, { command, grants, env }, tool, args, evidence) {
  const talk = (call) => call(tool, args);
  await check(`refused, in the jail only: ${name}`, async () => {
    const control = (await hold({ command, env }, talk)).answer;
    must(control.ok && evidence(control.text), `failed without jail too: ${control.text}`);
    const { answer } = await hold({ command, grants, env }, talk);
    must(!answer.ok && !evidence(answer.text), `NOT refused: ${answer.text}`);
    return answer.text.split('\n').pop();
  });
}

async function refusals(folders) {
  const knowsCanary = (text) => text.includes(folders.canary);
  // The server's own limit is widened to the whole disk: what refuses is the jail.
  const wide = { command: filesystem('/'), grants: ['--read', folders.granted] };
  await refused('server-filesystem reads a file outside its grant', wide,
    'read_text_file', { path: folders.secret }, knowsCanary);
  const shadow = 'server-filesystem reads /etc/shadow';
  if (process.getuid() === 0) {
    const knowsRoot = (text) => text.includes('root:');
    await refused(shadow, wide, 'read_text_file', { path: '/etc/shadow' }, knowsRoot);
  } else {
    skip(shadow, 'an ordinary user cannot without jail either');
  }
  await refused('server-filesystem lists a folder outside its grant', wide,
    'list_directory', { path: dirname(folders.secret) }, (text) => text.includes('secret.txt'));
  await refused('mcp-server-git opens a repository outside its grant',
    { command: git, grants: ['--read', folders.repository] },
    'git_log', { repo_path: folders.otherRepository }, knowsCanary);
}

/** A folder granted for reading stays as it is; one granted for writing does not. */
async function writes(folders) {
  const command = filesystem(folders.granted);
  const write = (name) => (call) =>
    call('write_file', { path: join(folders.granted, name), content: name });
  await check('server-filesystem cannot write what it may only read', async () => {
    await hold({ command }, write('control.txt'));
    must(existsSync(join(folders.granted, 'control.txt')), 'it cannot without jail either');
    const grants = ['--read', folders.granted];
    const { answer } = await hold({ command, grants }, write('read-only.txt'));
    must(!answer.ok, `the server says: ${answer.text}`);
    must(!existsSync(join(folders.granted, 'read-only.txt')), 'the file is on the host');
    return answer.text;
  });
  await check('server-filesystem writes where it may', async () => {
    const grants = ['--write', folders.granted];
    const { answer } = await hold({ command, grants }, write('written.txt'));
    must(answer.ok, answer.text);
    const text = readFileSync(join(folders.granted, 'written.txt'), 'utf8');
    must(text === 'written.txt', `the host has: ${text}`);
  });
}

/** server-everything hands its whole environment to whoever asks. */
async function environment() {
  const env = { DEMO_API_TOKEN: 'hunter2', DEMO_NAMED: 'named' };
  const talk = async (call) => JSON.parse((await call('get-env')).text);
  await check('server-everything sees no variable that was not named', async () => {
    const control = (await hold({ command: everything, env }, talk)).answer;
    must(control.DEMO_API_TOKEN === 'hunter2', 'it does not without jail either');
    const { answer } = await hold({ command: everything, grants: [], env }, talk);
    must(!JSON.stringify(answer).includes('hunter2'), 'it sees the secret');
    return Object.keys(answer).sort().join(' ');
  });
  await check('server-everything sees a variable that was named', async () => {
    const grants = ['--env', 'DEMO_NAMED', '--env', 'DEMO_GIVEN=given'];
    const { answer } = await hold({ command: everything, grants, env }, talk);
    must(answer.DEMO_NAMED === 'named', `DEMO_NAMED is ${answer.DEMO_NAMED}`);
    must(answer.DEMO_GIVEN === 'given', `DEMO_GIVEN is ${answer.DEMO_GIVEN}`);
  });
}

// === bytes and ends

async function pipe() {
  await check('bytes: 8 MiB of anything come back as they went in', async () => {
    const input = randomBytes(8 << 20);
    const { status, stdout, stderr } = await run(['cat'], [], input);
    must(status === 0, `status ${status}: ${stderr}`);
    must(stdout.equals(input), `${stdout.length} bytes came back, not the same`);
  });
  await check('bytes: jail itself prints nothing on stdout', async () => {
    const { status, stdout, stderr } = await run(['true'], []);
    must(status === 0, `status ${status}: ${stderr}`);
    must(stdout.length === 0, stdout.toString());
  });
  const ends = [
    ['an exit status', ['sh', '-c', 'exit 7'], 7],
    ['an end by signal', ['sh', '-c', 'kill -KILL $$'], 137],
    ['the end of a connector that was started wrongly', [...filesystem('/no/such/folder')], 1],
  ];
  for (const [what, command, status] of ends) {
    await check(`ends: ${what} is handed on`, async () => {
      const control = await run(command);
      must(control.status === status, `it is ${control.status} without jail`);
      const jailed = await run(command, []);
      must(jailed.status === status, `${status} became ${jailed.status}: ${jailed.stderr}`);
      return `${status}`;
    });
  }
}

/** A client that loses patience kills. This server would not end with its input. */
async function killed() {
  await check('ends: jail is killed with SIGKILL, and nothing is left', async () => {
    const { seen, pids } = await killedSession();
    must(seen > 0, 'no process was seen during the session');
    must(pids.length === 0, `left: ${pids.join(' ')}`);
    return `${seen} during the session, 0 after`;
  });
}

async function killedSession() {
  const word = `killed-${randomUUID()}`; // an argument that the server does not look at
  const result = {};
  const command = [...everything, word];
  await hold({ command, grants: [] }, async (_call, { pid }) => {
    result.seen = marked(word).length;
    process.kill(pid, 'SIGKILL');
    result.pids = await left(word);
  });
  return result;
}

// === the other client, the other era of the protocol

async function discover() {
  const python = join(installed, 'venv/bin/python');
  const session = async (command) => {
    const { stdout } = await promisify(execFile)(python, [join(here, 'discover.py'), ...command]);
    return JSON.parse(stdout);
  };
  let without;
  await check('server/discover: works without jail', async () => {
    without = await session(time);
    must(without.discovered, 'the session was opened with initialize');
    must(without.text.includes('+5.5h'), without.text);
    return `protocol ${without.protocol}`;
  });
  await check('server/discover: works in the jail, with the same answers', async () => {
    const within = await session(commandLine(time, []));
    must(JSON.stringify(within) === JSON.stringify(without), JSON.stringify(within));
    return `protocol ${within.protocol}`;
  });
}

// === jail's own tools

async function egress() {
  const program = (process.env.JAIL ?? '').split(' ').filter(Boolean)[0];
  if (!program) return; // there is nothing to ask
  const folder = await mkdtemp(join(tmpdir(), 'jail-egress-'));
  await check("jail mcp: a request, its answer and what counts then, by Python's client", async () => {
    await mkdir(join(folder, '.cloned/connectors'), { recursive: true });
    await writeFile(join(folder, '.cloned/connectors/search.yaml'),
      'name: search\ncommand: x\ntool: web.search@v1\n');
    const jail = resolve(program);
    const session = async (wait) => {
      const { stdout } = await promisify(execFile)(join(installed, 'venv/bin/python'),
        [join(here, 'egress.py'), 'web.search@v1', 'api.example.com', jail, 'mcp', '--wait', wait],
        { cwd: folder });
      return JSON.parse(stdout);
    };
    const first = await session('3s');
    must(first.tools.length === 4, JSON.stringify(first.tools));
    must(first.update.status === 'pending' && !first.check.allowed, JSON.stringify(first));
    must(first.told.length > 0, 'it was not told that it waits');
    must(first.is_error && first.wrong.includes('web.search@v1'), first.wrong);
    const [, ...answer] = first.update.answer_with.split(' ');
    await promisify(execFile)(jail, answer, { cwd: folder });
    const second = await session('0s');
    must(second.check.allowed, JSON.stringify(second));
    return first.update.answer_with;
  });
  await rm(folder, { recursive: true, force: true });
}

// === in order

/** mcp-server-time names the date: sessions on both sides of midnight cannot be the same. */
async function awayFromMidnight() {
  const toMidnight = 86_400_000 - (Date.now() % 86_400_000);
  if (toMidnight < 120_000) await sleep(toMidnight + 1000);
}

const folders = new Folders();
try {
  console.log(`jail: ${process.env.JAIL || 'NONE (JAIL is empty)'}`);
  await awayFromMidnight();
  for (const connector of connectors(folders)) await sameSession(connector);
  await syscalls(connectors(folders));
  await discover();
  await egress();
  await refusals(folders);
  await writes(folders);
  await environment();
  await pipe();
  await killed();
} finally {
  folders.remove();
}
process.exitCode = close();
