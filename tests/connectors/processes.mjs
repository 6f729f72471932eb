// Finds the processes of a session by a mark that it carries, wherever they sit in the tree.
//
// A mark, and not the tree: a process that outlives its parent belongs to pid 1 from then on. The
// connector carries it in its environment, jail (and what jail forks) on its command line, which
// can be read even where the environment cannot.

import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export const MARK = 'JAIL_TEST_MARK';

export function marked(mark) {
  const numbers = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const carries = (pid) => ['environ', 'cmdline'].some((file) => has(`/proc/${pid}/${file}`, mark));
  return numbers.filter(carries);
}

/** Those that are still there when a fair time to go has passed. */
export async function left(mark, patience = 3000) {
  const until = Date.now() + patience;
  let pids = marked(mark);
  while (pids.length > 0 && Date.now() < until) {
    await sleep(20);
    pids = marked(mark);
  }
  return pids;
}

function has(path, mark) {
  try {
    return readFileSync(path).includes(mark);
  } catch {
    return false; // gone meanwhile, or somebody else's
  }
}
