// How a browser gets in, and how it is put out.

import { check, must } from './report.mjs';
import { device, leads } from './browser.mjs';
import { byAddress, jail, link, serve, stranger, until, workspace } from './world.mjs';

export async function run(browser) {
  const place = workspace('pairing');
  const console_ = await serve(place);
  const context = await device(browser);
  const page = await context.newPage();

  await check('a browser that is not paired sees nothing', async () => {
    for (const path of ['/', '/runs', '/egress', '/rules', '/ports', '/audit', '/devices', '/?done=approved']) {
      const answer = await page.goto(console_.url.slice(0, -1) + path);
      must(answer.status() === 401, `${path}: ${answer.status()}`);
      const text = await page.content();
      must(!text.includes(place.root) && !text.includes('<nav'), `${path} tells of the workspace`);
      must(await page.getByLabel('Code').isVisible(), `${path} does not ask for a code`);
    }
    for (const [method, path] of [['GET', '/live'], ['POST', '/requests/aaaaaaaaaa'], ['POST', '/rules'], ['POST', '/audit'],
      ['POST', '/devices/x'], ['POST', '/runs/x/stop'], ['GET', '/v1/approvals'], ['GET', '/v1/runs'], ['GET', '/console/address']]) {
      const status = await page.evaluate(async ([method, path]) => (await fetch(path,
        { method, body: method === 'POST' ? new URLSearchParams({ token: 'x', act: 'always' }) : undefined })).status, [method, path]);
      must(status === 401 || status === 404, `${method} ${path}: ${status}`);
    }
  });

  await check('the link fills the code in, and leaves it nowhere', async () => {
    const fresh = link(place);
    must(fresh.url === console_.url && fresh.pid === null && fresh.code !== console_.code, JSON.stringify(fresh));
    must(fresh.link === `${fresh.url}pair#${fresh.code}`, fresh.link);
    await page.goto(fresh.link);
    must(await page.getByLabel('Code').inputValue() === fresh.code, 'the code is not filled in');
    must(page.url() === `${fresh.url}pair`, page.url());
    await page.getByRole('button', { name: 'Pair' }).click();
    await page.waitForURL('**/?done=paired');
    must((await page.title()).startsWith('Requests'), await page.title());
    const history = await page.evaluate(() => history.length);
    must(!console_.err.includes(fresh.code) && !console_.out.includes(fresh.code), 'the server printed it');
    return `${history} entries in the history`;
  });

  await check('the cookie is for no script and no other site', async () => {
    const [cookie, ...more] = await context.cookies();
    must(cookie && !more.length && cookie.httpOnly && cookie.sameSite === 'Strict', JSON.stringify(cookie));
    must(await page.evaluate(() => document.cookie) === '', 'a script can read it');
  });

  await check('nothing else on this machine gets the cookie', async () => {
    const { port } = new URL(console_.url);
    must(console_.url === `http://jail.localhost:${port}/`, console_.url);
    const seen = [];
    const other = await device(browser, { storageState: await context.storageState() }, true);
    const tab = await other.newPage();
    const at = await stranger('<!doctype html><title>other</title>', seen);
    await tab.goto(at);
    await tab.goto(at.replace('127.0.0.1', 'localhost'));
    must(seen.length >= 2 && seen.every((cookie) => cookie === ''), JSON.stringify(seen));
    // By its address a browser gets to the name, where it is paired.
    await tab.goto(`http://127.0.0.1:${port}/runs`);
    must(tab.url() === `${console_.url}runs` && await tab.locator('nav').isVisible(), tab.url());
    await other.close();
  });

  await check('a code counts once', async () => {
    const other = await device(browser);
    const second = await other.newPage();
    const used = link(place);
    for (const works of [true, false]) {
      // The page before would find out that it is not paired any more, and go elsewhere.
      await second.goto('about:blank');
      await other.clearCookies();
      await second.goto(used.link);
      await second.getByRole('button', { name: 'Pair' }).click();
      if (works) await second.waitForURL('**/?done=paired');
      else await second.getByRole('alert').filter({ hasText: 'wrong, or used' }).waitFor();
    }
    await other.close();
  });

  await check('headers of every answer', async () => {
    for (const path of ['/', '/pair', '/console.js', '/console.css', '/nothing']) {
      const { url, host } = byAddress(console_.url);
      const headers = (await page.request.get(url + path, { maxRedirects: 0, headers: { host } })).headers();
      const policy = headers['content-security-policy'];
      must(policy.startsWith("default-src 'none'") && !policy.includes('unsafe'), `${path}: ${policy}`);
      for (const [name, value] of [['cache-control', 'no-store'], ['x-content-type-options', 'nosniff'], ['x-frame-options', 'DENY'],
        ['cross-origin-opener-policy', 'same-origin'], ['cross-origin-resource-policy', 'same-origin'], ['referrer-policy', 'same-origin']]) {
        must(headers[name] === value, `${path}: ${name}: ${headers[name]}`);
      }
      must(!Object.keys(headers).some((name) => name.startsWith('access-control-')), `${path} allows others`);
    }
  });

  await check('a device that is revoked is asked to pair at its next click', async () => {
    await page.goto(`${console_.url}devices`);
    // The other one, which a page here revokes; then this one, from a terminal.
    const own = page.locator('tr', { hasText: 'this one' });
    const others = page.locator('tbody tr').filter({ hasNotText: 'this one' });
    must(await own.count() === 1 && await others.count() === 1, await page.locator('table').innerText());
    await others.getByRole('button', { name: 'Revoke' }).click();
    await page.waitForURL('**/devices?done=device');
    must(await page.locator('tbody tr').count() === 1, 'it is still listed');
    // By itself it would go there, too, and maybe before the click: here nothing tells it.
    await page.route('**/live', () => {});
    await page.goto(`${console_.url}rules`);
    const { devices } = JSON.parse(jail(place, 'api', 'devices', 'list', '--json').stdout);
    const id = devices.find((it) => it.revoked_at === null).id;
    must(jail(place, 'api', 'devices', 'revoke', id).status === 0, 'it cannot be revoked');
    const [answer] = await Promise.all([page.waitForResponse('**/runs'), page.getByRole('link', { name: 'Runs' }).click()]);
    must(answer.status() === 401, `${answer.status()}`);
    await page.getByLabel('Code').waitFor();
    await page.unroute('**/live');
    must(!(await page.content()).includes(place.root), 'it still sees the workspace');
  });

  await check('a page that is open goes to pairing by itself', async () => {
    await page.goto(link(place).link);
    await page.getByRole('button', { name: 'Pair' }).click();
    await page.locator('#live.on').waitFor();
    const { devices } = JSON.parse(jail(place, 'api', 'devices', 'list', '--json').stdout);
    for (const it of devices.filter((it) => it.revoked_at === null)) jail(place, 'api', 'devices', 'revoke', it.id);
    await page.waitForURL('**/pair');
  });

  await check('after ten wrong codes none is taken, and the person is told', async () => {
    const good = link(place);
    const told = async () => (await page.getByRole('alert').innerText()).trim();
    await page.goto(`${console_.url}pair`);
    for (let at = 1; at <= 10; at += 1) {
      await page.getByLabel('Code').fill('2222-2222');
      await leads(page, '**/pair', () => page.getByRole('button', { name: 'Pair' }).click());
      const text = await told();
      if (at < 10) must(/wrong, or used/.test(text), `${at}: ${text}`);
      else must(/10 codes were wrong: none is taken for \d+ s/.test(text), text);
    }
    await page.getByLabel('Code').fill(good.code);
    const [answer] = await Promise.all([
      page.waitForResponse((it) => it.request().method() === 'POST'),
      page.getByRole('button', { name: 'Pair' }).click(),
    ]);
    must(answer.status() === 429 && Number(answer.headers()['retry-after']) > 0, `${answer.status()}`);
    return until('told', told);
  });

  await context.close();
}
