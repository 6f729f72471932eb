// What connectors ask for, answered in the browser: real runs, held while a person decides.

import { check, must, skip } from './report.mjs';
import { device, leads } from './browser.mjs';
import { HOST, JAIL, ask, begin, jail, link, rules, serve, start, target, until, workspace } from './world.mjs';
import fs from 'node:fs';
import path from 'node:path';

const PORTS = { first: 8443, once: 8444, denied: 8445, keys: 8446, plain: 8447, held: 8448, fetch: 8449 };

const SERVER = 'the published mcp-server-fetch is approved, and its call that failed succeeds';
/** Where tests/clients/install.sh puts what it installs. */
const VENV = process.env.CLIENTS && path.join(process.env.CLIENTS, 'venv');

/** A session with the published MCP server in a jail, by the official client: a call for each URL. */
function session(place) {
  const python = path.join(VENV, 'bin', 'python');
  const script = path.join(import.meta.dirname, '..', 'clients', 'fetch_calls.py');
  const jailed = [JAIL, 'run', '-q', '--read', VENV, '--env', `PATH=${VENV}/bin`, '--', python, '-m', 'mcp_server_fetch'];
  const it = begin(place, python, [script, ...jailed, '--ignore-robots-txt']);
  it.lines = () => it.out.split('\n').slice(0, -1);
  it.call = (url) => it.child.stdin.write(`${url}\n`);
  it.answer = async (number) => {
    await until(`answer ${number}: ${it.out} ${it.err}`, () => it.lines().length > number);
    return it.lines()[number];
  };
  return it;
}

/** A connector that wants to reach a port, again and again as often as it is told to on its stdin. */
function client(place, port) {
  const script = `while read -r _; do curl --silent --show-error --max-time 20 "http://${HOST}:${port}/" 2>&1 || echo "FAILED"; done`;
  const it = start(place, 'run', '--allow', 'x.test', '--', '/bin/sh', '-c', script);
  it.next = () => it.child.stdin.write('\n');
  it.told = (what) => until(`${what} of port ${port}: ${it.out} ${it.err}`, () => it.out.includes(what));
  return it;
}

export async function run(browser) {
  const place = workspace('answers');
  fs.writeFileSync(path.join(place.root, '.cloned', 'policy', 'firewall.yaml'), 'version: 1\nunlisted: ask\n');
  const console_ = await serve(place);
  const reached = {};
  for (const [name, port] of Object.entries(PORTS)) reached[name] = await target(port);
  const context = await device(browser);
  const page = await context.newPage();
  await page.goto(link(place).link);
  await page.getByRole('button', { name: 'Pair' }).click();
  await page.locator('#live.on').waitFor();
  const card = (port, of = page) => of.locator('[data-request]', { has: of.locator('.port', { hasText: `:${port}` }) });

  /** Waits until it is asked for, and answers while the connection is held. */
  const answer = async (port, act) => {
    await card(port).waitFor();
    await leads(page, '**/?done=*', () => act(card(port)));
    await page.locator('#live.on').waitFor();
  };

  await check('a request appears by itself, with all that there is to know', async () => {
    const it = client(place, PORTS.first);
    it.next();
    await card(PORTS.first).waitFor();
    const text = await card(PORTS.first).innerText();
    for (const what of ['sh', 'an address', 'Way', 'Run', 'Asked']) must(text.includes(what), `${what}: ${text}`);
    must(/New request: .*93\.184\.215\.14/.test(await page.locator('#say').innerText()), 'it is not announced');
    await leads(page, '**/?done=approved', () => card(PORTS.first).getByRole('button', { name: 'This session' }).click());
    await it.told('REACHED');
    must(reached.first.length === 1 && !it.out.includes('FAILED'), it.out);
    it.next();
    await until('again', () => reached.first.length === 2);
    const [rule] = rules(place);
    must(rule.host === HOST && rule.port === PORTS.first, JSON.stringify(rule));
    it.child.kill('SIGTERM');
    await it.ended;
    return 'held, approved, and through on the same connection';
  });

  if (VENV && fs.existsSync(path.join(VENV, 'bin', 'mcp-server-fetch'))) {
    await check(SERVER, async () => {
      const it = session(place);
      const url = `http://${HOST}:${PORTS.fetch}/`;
      must(await it.answer(0) === 'ready', it.out);
      it.call(url);
      must((await it.answer(1)).startsWith('error:'), it.out);
      await answer(PORTS.fetch, (at) => at.getByRole('button', { name: 'This session' }).click());
      it.call(url);
      must((await it.answer(2)).includes('REACHED'), it.out);
      // The rule is taken away: the same call fails again.
      const gone = jail(place, 'approvals', 'list', '--all', '--json');
      const all = JSON.parse(gone.stdout).requests;
      const { id } = all.find((one) => one.port === PORTS.fetch);
      must(jail(place, 'approvals', 'revoke', id).status === 0, 'it is not taken back');
      await until('the rule is gone', () => !rules(place).some((rule) => rule.port === PORTS.fetch));
      // The egress process reads the rules when their file has changed.
      let calls = 3;
      await until('the call fails again', async () => {
        it.call(url);
        return (await it.answer(calls++)).startsWith('error:');
      });
      it.child.stdin.end();
      await it.ended;
    });
  } else {
    skip(SERVER, 'tests/clients/install.sh has not installed it');
  }

  await check('once is one connection', async () => {
    const it = client(place, PORTS.once);
    it.next();
    await answer(PORTS.once, (at) => at.getByRole('button', { name: 'Once' }).click());
    await it.told('REACHED');
    it.next();
    await card(PORTS.once).waitFor();
    await until('the second one is refused', () => it.out.split('\n').length > 2);
    must(reached.once.length === 1, `${reached.once.length} connections`);
    await leads(page, '**/?done=dismissed', () => card(PORTS.once).getByRole('button', { name: 'Dismiss' }).click());
    it.child.kill('SIGTERM');
    await it.ended;
  });

  await check('what is denied is refused at once, and stays so', async () => {
    const it = client(place, PORTS.denied);
    it.next();
    await answer(PORTS.denied, (at) => at.getByRole('button', { name: 'Deny' }).click());
    must(page.url().endsWith('?done=denied'), page.url());
    await until('an answer for the client', () => it.out.length > 0);
    it.next();
    await until('another', () => it.out.split('\n').length > 2);
    must(reached.denied.length === 0 && !it.out.includes('REACHED'), it.out);
    it.child.kill('SIGTERM');
    await it.ended;
  });

  await check('with the keyboard alone', async () => {
    const it = client(place, PORTS.keys);
    it.next();
    await card(PORTS.keys).waitFor();
    await page.keyboard.press('?');
    must(await page.getByRole('dialog').isVisible(), 'no help');
    await page.keyboard.press('a');
    await page.keyboard.press('Escape');
    must(!(await page.getByRole('dialog').isVisible()), 'the help stays');
    must(await card(PORTS.keys).isVisible(), 'a key in the help answered');
    await page.keyboard.press('j');
    must(await card(PORTS.keys).evaluate((at) => at === document.activeElement), 'it has no focus');
    await page.keyboard.press('w');
    await page.keyboard.press('ArrowDown');
    const scope = await card(PORTS.keys).getByLabel('For').inputValue();
    must(scope === 'global', scope);
    await page.keyboard.press('Shift+Tab');
    await card(PORTS.keys).focus();
    await leads(page, '**/?done=approved', () => page.keyboard.press('h'));
    await it.told('REACHED');
    const rule = rules(place).find((it) => it.port === PORTS.keys);
    must(rule.expires && rule.tool === null && !rule.connector, JSON.stringify(rule));
    it.child.kill('SIGTERM');
    await it.ended;
  });

  await check('without a script', async () => {
    const bare = await device(browser, { javaScriptEnabled: false });
    const plain = await bare.newPage();
    await plain.goto(`${console_.url}pair`);
    await plain.getByLabel('Code').fill(link(place).code);
    await plain.getByLabel('Name of this device').fill('plain');
    await plain.getByRole('button', { name: 'Pair' }).click();
    await plain.waitForURL('**/?done=paired');
    const it = client(place, PORTS.plain);
    it.next();
    const at = card(PORTS.plain, plain);
    await until('the request', async () => { await plain.reload(); return at.isVisible(); });
    await at.getByLabel('Because').fill('a test');
    await at.getByRole('button', { name: 'Always' }).click();
    await plain.waitForURL('**/?done=approved');
    it.next();
    await it.told('REACHED');
    const rule = rules(place).find((it) => it.port === PORTS.plain);
    must(rule.expires === null && rule.reason === 'a test', JSON.stringify(rule));
    // Taken back on the page of rules, it is asked for again.
    await plain.goto(`${console_.url}rules`);
    await plain.locator('tr', { hasText: `:${PORTS.plain}` }).getByRole('button').click();
    await plain.waitForURL('**/rules?done=removed');
    must(!rules(place).some((it) => it.port === PORTS.plain), 'the rule is still there');
    it.child.kill('SIGTERM');
    await it.ended;
    await bare.close();
  });

  await check('a run is stopped here, and its counters are seen', async () => {
    const it = client(place, PORTS.first);
    await page.goto(`${console_.url}runs`);
    const run = page.locator('.run');
    await run.waitFor();
    const text = await run.innerText();
    for (const what of ['namespaces', 'probes held', 'what rules allow', 'Limits', 'open']) must(text.includes(what), `${what}: ${text}`);
    await run.getByRole('button', { name: 'Stop' }).click();
    await page.waitForURL('**/runs?done=stopped');
    await it.ended;
    must(await page.locator('.run').count() === 0, 'it is still listed');
  });

  await check('what a connector says is shown as it is', async () => {
    const nasty = '<img src=x onerror=alert(1)>\u202egnp.exe\u0000"\'</article><script>alert(1)</script>';
    ask(place, {
      connector: 'search', subject: { what: 'egress', host: 'nasty.test', port: 443 },
      latest: { reason: nasty, process: nasty, run: nasty, class: nasty, by: nasty },
    });
    await page.goto(console_.url);
    const at = page.locator('[data-request]', { hasText: 'nasty.test' });
    const text = await at.innerText();
    must(text.includes('<img src=x onerror=alert(1)>\\u{202e}gnp.exe'), text);
    must(await page.locator('main img, main script').count() === 0, 'it became a part of the page');
    must(!(await page.content()).includes('\u202e'), 'a character turns the text around');
    await leads(page, '**/?done=dismissed', () => at.getByRole('button', { name: 'Dismiss' }).click());
  });

  await check('everything that was answered here is in the log, by this device', async () => {
    const text = jail(place, 'audit', 'show', '--kind', 'decision').stdout;
    for (const what of ['approve', 'den', 'once', 'session', 'always', 'console', 'device ']) must(text.includes(what), `${what}: ${text}`);
    must(jail(place, 'audit', 'verify').status === 0, 'the log is not whole');
  });
  await context.close();
}
