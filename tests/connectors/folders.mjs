// What is granted, and beside it what is not. In the home folder, because that is where the things
// are that a connector must not see; the folder's own name is the only one that no jail could know.

import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export class Folders {
  constructor() {
    this.root = mkdtempSync(join(homedir(), '.jail-connectors-'));
    this.granted = this.#folder('granted');
    writeFileSync(join(this.granted, 'hello.txt'), 'hello from the host\n');

    this.canary = `canary-${randomUUID()}`;
    this.secret = join(this.#folder('outside'), 'secret.txt');
    writeFileSync(this.secret, this.canary, { mode: 0o600 });

    this.repository = this.#repository('repository', 'the granted commit');
    this.otherRepository = this.#repository('other-repository', this.canary);
  }

  remove() {
    rmSync(this.root, { recursive: true, force: true });
  }

  #folder(name) {
    const path = join(this.root, name);
    mkdirSync(path);
    return path;
  }

  /** One commit, the same to the byte whenever and by whomever it is made. */
  #repository(name, message) {
    const path = this.#folder(name);
    writeFileSync(join(path, 'file.txt'), 'hello\n');
    const when = '2026-01-01T00:00:00Z';
    const who = { NAME: 'A Tester', EMAIL: 'tester@example.invalid', DATE: when };
    const env = { PATH: process.env.PATH, HOME: this.root, GIT_CONFIG_NOSYSTEM: '1' };
    for (const [key, value] of Object.entries(who)) {
      env[`GIT_AUTHOR_${key}`] = value;
      env[`GIT_COMMITTER_${key}`] = value;
    }
    const git = (...args) => execFileSync('git', ['-C', path, ...args], { env, stdio: 'pipe' });
    git('init', '--quiet', '--initial-branch=main');
    git('add', 'file.txt');
    git('commit', '--quiet', '--message', message);
    return path;
  }
}
