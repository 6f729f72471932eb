// Tests the console with a real browser against the real `jail console`. JAIL names the program, CONSOLE
// the folder that install.sh filled, SHOTS where pictures of all pages go.

import fs from 'node:fs';
import path from 'node:path';
import { check, close as counted, must, skip } from './report.mjs';
import { bringUp, close, leaveTheMachine } from './world.mjs';

const inside = leaveTheMachine(process.argv[1]);
if (inside !== undefined) process.exit(inside);

const { program } = await import('./browser.mjs');
if (!program()) {
  skip('the console in a browser', 'there is no chromium here (scripts/setup.sh test installs it)');
  const none = process.env.JAIL_TEST_MUST_RUN?.split(',').some((it) => it === 'all' || it === 'console');
  console.log(`0 passed, ${none ? 1 : 0} failed, ${none ? 0 : 1} skipped`);
  process.exit(none ? 1 : 0);
}

try {
  bringUp();
  const { launch } = await import('./browser.mjs');
  const browser = await launch();
  const shots = process.env.SHOTS;
  if (shots) fs.mkdirSync(path.resolve(shots), { recursive: true });
  try {
    for (const part of ['pairing', 'strangers', 'answers', 'pages']) {
      const { run } = await import(`./${part}.mjs`);
      await run(browser, shots);
    }
    const { asked, errors, violations } = await import('./browser.mjs');
    await check('no page breaks its own policy', () => must(!violations.length, violations.join('; ')));
    await check('no page has a script that fails', () => must(!errors.length, errors.join('; ')));
    await check('no page asks anybody else', () => {
      const others = asked.filter((url) => !/^http:\/\/jail\.localhost:\d+\//.test(url));
      must(asked.length > 50 && !others.length, `${asked.length} requests, to others: ${others.join(' ')}`);
      must(!asked.some((url) => /[0-9A-Z]{4}-[0-9A-Z]{4}/.test(url.split('#')[0])), 'a code is in an address');
      return `${asked.length} requests`;
    });
  } finally {
    await browser.close();
  }
} catch (error) {
  await check('the tests themselves', () => { throw error; });
} finally {
  await close();
}
process.exit(counted());
