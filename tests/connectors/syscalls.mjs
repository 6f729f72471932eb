// What the connectors call, by strace(1), beside what the profile lets them call.
//
// They run without jail here, so that what is seen is what they want and not what they are left with. In
// the jail the same sessions give the same bytes (run.mjs): what the profile refuses, they do without.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, must, skip } from './report.mjs';
import { hold } from './session.mjs';

/** Calls that the profile refuses and that these programs only try. */
const TRIED = new Map([
  ['clone3', 'answered ENOSYS, whereupon the C library takes clone, whose flags can be judged'],
  ['io_uring_setup', 'libuv asks for it once, and takes epoll'],
  ['io_uring_enter', 'only after io_uring_setup'],
  ['io_uring_register', 'only after io_uring_setup'],
  ['pkey_alloc', 'V8 asks whether there are memory protection keys'],
  ['pkey_free', 'only after pkey_alloc'],
  ['pkey_mprotect', 'only after pkey_alloc'],
]);

export async function syscalls(connectors) {
  const jail = process.env.JAIL ?? '';
  if (jail === '' || spawnSync('strace', ['-V']).status !== 0) {
    skip('syscalls: what connectors call is in the listing', jail ? 'there is no strace' : 'no jail');
    return;
  }
  const listing = JSON.parse(execFileSync(jail, ['seccomp', 'list', 'default', '--json']));
  const verdicts = new Map(listing.calls.map(({ call, verdict }) => [call, verdict]));
  for (const connector of connectors) {
    await check(`syscalls: ${connector.name} calls what the listing has`, async () => {
      const made = await traced(connector);
      must(made.size > 20, `only ${made.size} calls were seen`);
      const refused = [...made].filter((call) => !allows(verdicts.get(call)));
      const unknown = refused.filter((call) => !TRIED.has(call));
      must(unknown.length === 0, `not allowed, and not known to be done without: ${unknown}`);
      const some = [...made].filter((call) => verdicts.get(call) === 'conditional').length;
      const tried = refused.length > 0 ? `, refused and done without: ${refused.join(' ')}` : '';
      return `${made.size} calls, ${some} of them by argument${tried}`;
    });
  }
}

const allows = (verdict) => verdict === 'allow' || verdict === 'conditional';

async function traced({ command, calls }) {
  const folder = mkdtempSync(join(tmpdir(), 'jail-strace-'));
  const log = join(folder, 'log');
  try {
    const within = ['strace', '-f', '-qq', '-o', log, ...command];
    await hold({ command: within }, async (call) => {
      for (const [tool, args] of calls) await call(tool, args);
    });
    const names = readFileSync(log, 'utf8').matchAll(/^\d+ +([a-z_][a-z0-9_]*)\(/gm);
    return new Set([...names].map(([, name]) => (name === 'umount' ? 'umount2' : name)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
