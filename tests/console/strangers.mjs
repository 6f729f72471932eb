// Pages of somebody else, in a browser that is paired.

import { check, must } from './report.mjs';
import { device } from './browser.mjs';
import { ask, byAddress, link, rules, serve, stranger, workspace } from './world.mjs';

export async function run(browser) {
  const place = workspace('strangers');
  const console_ = await serve(place);
  const [id] = ask(place, { connector: 'search', subject: { what: 'egress', host: 'evil.test', port: 443 }, latest: { reason: 'not-listed' } });
  const context = await device(browser, {}, true);
  const page = await context.newPage();
  await page.goto(link(place).link);
  await page.getByRole('button', { name: 'Pair' }).click();
  await page.waitForURL('**/?done=paired');
  const token = await page.locator('input[name=token]').first().inputValue();
  const at = await stranger(`<!doctype html><title>stranger</title>
    <form method="post" action="${console_.url}requests/${id}"><input name="token" value="${token}"><input name="act" value="always"><input name="scope" value="global"><button>go</button></form>`);

  await check('another origin reads nothing, and changes nothing', async () => {
    await page.goto(at);
    const seen = await page.evaluate(async ([url, id, token]) => {
      const tries = {};
      const note = async (name, act) => { try { tries[name] = await act(); } catch (error) { tries[name] = `stopped: ${error.name}`; } };
      const form = () => new URLSearchParams({ token, act: 'always', scope: 'global' });
      await note('read', async () => (await fetch(url, { credentials: 'include' })).text());
      await note('api', async () => (await fetch(`${url}v1/approvals`, { credentials: 'include' })).text());
      await note('post', async () => (await fetch(`${url}requests/${id}`, { method: 'POST', body: form(), credentials: 'include' })).status);
      await note('blind', async () => (await fetch(`${url}requests/${id}`, { method: 'POST', body: form(), credentials: 'include', mode: 'no-cors' })).type);
      await note('json', async () => (await fetch(`${url}v1/approvals/${id}/answer`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"verdict":"approve"}', credentials: 'include' })).status);
      await note('script', () => new Promise((resolve) => { const it = document.createElement('script'); it.src = `${url}console.js`; it.onload = () => resolve('ran'); it.onerror = () => resolve('stopped: script'); document.head.append(it); }));
      await note('live', () => new Promise((resolve) => { const it = new EventSource(`${url}live`, { withCredentials: true }); it.onopen = () => resolve('open'); it.onerror = () => { it.close(); resolve('stopped: live'); }; }));
      await note('frame', () => new Promise((resolve) => { const it = document.createElement('iframe'); it.src = url; it.onload = () => { let what; try { what = it.contentDocument ? 'readable' : 'stopped: frame'; } catch { what = 'stopped: frame'; } resolve(what); }; document.body.append(it); }));
      return tries;
    }, [console_.url, id, token]);
    const through = Object.entries(seen).filter(([name, what]) => !(String(what).startsWith('stopped') || (name === 'blind' && what === 'opaque')));
    must(!through.length, JSON.stringify(through));
    // The form goes off, as every page can send one; what it would change stays.
    await page.getByRole('button', { name: 'go' }).click();
    await page.waitForURL(`${console_.url}**`);
    must(/another (origin|site)/.test(await page.locator('body').innerText()), await page.content());
    must(rules(place).length === 0, 'there is a rule');
    return Object.keys(seen).length + 1 + ' ways';
  });

  await check('a form of this origin without the token of this device is refused', async () => {
    await page.goto(console_.url);
    for (const wrong of ['', 'x', '0'.repeat(32)]) {
      const status = await page.evaluate(async ([id, token]) => (await fetch(`/requests/${id}`, { method: 'POST', body: new URLSearchParams({ token, act: 'always' }) })).status, [id, wrong]);
      must(status === 403, `${status}`);
    }
    must(rules(place).length === 0, 'there is a rule');
  });

  await check('another name for this machine is not this console', async () => {
    const port = new URL(console_.url).port;
    const answer = await page.request.get(byAddress(console_.url).url, { headers: { host: `rebound.test:${port}` } });
    must(answer.status() === 421, `${answer.status()}`);
  });
  await context.close();
}
