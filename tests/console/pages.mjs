// Every page, dark and light, on a phone and on a desk: can everybody use it, and what does it look like?

import fs from 'node:fs';
import path from 'node:path';
import { check, must } from './report.mjs';
import { device, faults } from './browser.mjs';
import { HOST, ask, jail, link, serve, start, until, workspace } from './world.mjs';

const POLICY = `version: 1
unlisted: ask
rules:
  - allow: api.github.com
    by: ann
    at: 2026-11-20T09:12:00Z
    reason: issues and pull requests
  - allow: "*.pythonhosted.org"
    connector: fetch
    expires: 2027-03-01T00:00:00Z
  - allow: xn--bcher-kva.example
    private: true
  - deny: telemetry.example.com
    reason: nobody asked for it
`;
const PORTS = `version: 1
services:
  localai: {port: 8080, container: cloned-localai, note: the language model}
  preview: {port: 3000, bind: 0.0.0.0, program: node}
reserved:
  web-preview: [3100-3199]
`;

function fill(place) {
  fs.writeFileSync(path.join(place.root, '.cloned', 'policy', 'firewall.yaml'), POLICY);
  fs.writeFileSync(path.join(place.root, '.cloned', 'ports.yaml'), PORTS);
  jail(place, 'run', '--', '/bin/true');
  jail(place, 'run', '--', '/bin/sh', '-c', 'exit 3');
  const goesOn = start(place, 'run', '--allow', 'x.test', '--', '/bin/sh', '-c',
    `curl --silent http://127.0.0.1:1/; curl --silent --max-time 9 http://${HOST}:9443/; sleep 600`);
  return goesOn;
}

function requests(place) {
  const egress = (host, port = 443, more = {}) => ({ what: 'egress', host, port, ...more });
  const latest = (more) => ({ reason: 'not-listed', door: 'connect', process: 'node server.js', ...more });
  ask(place,
    { connector: 'web-search', tool: 'cloned.mcp.web.search@v1', subject: egress('api.search.brave.com'), times: 3, span: 95, ago: 4, latest: latest({ run: '4f0c9a7be2d0' }) },
    { connector: 'fetch', subject: egress('api.github.com.evil.test'), ago: 20, latest: latest({ door: 'transparent', run: '0123456789ab' }) },
    { connector: 'files', subject: egress('192.168.1.20', 80, { private: true }), ago: 31, latest: latest({ reason: 'not-public', class: 'private', door: 'http', process: 'python3' }) },
    { connector: 'web-preview', subject: { what: 'port', service: 'preview-2', proto: 'tcp', at: '127.0.0.1:3101' }, ago: 60, latest: { reason: 'the agent shows a page', by: 'ann' } });
}

const PLACES = ['/', '/runs', '/egress', '/rules', '/ports', '/audit', '/devices', '/pair'];
const SIZES = [['phone', 360, 740], ['desk', 1280, 860]];

export async function run(browser, shots) {
  const place = workspace('notes');
  const console_ = await serve(place);
  const goesOn = fill(place);
  await until('a run', () => jail(place, 'ps', '--json').stdout.includes('"run"'));
  requests(place);
  for (const [size, width, height] of SIZES) {
    for (const colorScheme of ['light', 'dark']) {
      const context = await device(browser, { viewport: { width, height }, colorScheme, reducedMotion: 'reduce' });
      const page = await context.newPage();
      for (const at of ['/pair', ...PLACES.slice(0, -1)]) {
        await check(`${at} ${size} ${colorScheme}`, async () => {
          await page.goto(console_.url.slice(0, -1) + at);
          if (at !== '/pair') await page.locator('#live.on').waitFor();
          // A picture shows what there is and not what has not come yet.
          await page.waitForLoadState();
          const name = `${at === '/' ? 'requests' : at.slice(1)}-${size}-${colorScheme}.png`;
          if (shots) await page.screenshot({ path: path.join(shots, name), fullPage: true });
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          must(wide <= 0, `it is ${wide} pixels too wide`);
          const found = await faults(page);
          must(!found.length, found.join('\n      '));
          // The next pages are for a device that is paired.
          if (at !== '/pair') return;
          await page.goto(link(place).link);
          await page.getByRole('button', { name: 'Pair' }).click();
          await page.waitForURL('**/?done=paired');
        });
      }
      if (size === 'desk') {
        await check(`help ${colorScheme}`, async () => {
          await page.keyboard.press('?');
          if (shots) await page.screenshot({ path: path.join(shots, `help-${size}-${colorScheme}.png`) });
          const found = await faults(page);
          must(!found.length, found.join('\n      '));
        });
      }
      await context.close();
    }
  }
  goesOn.child.kill('SIGTERM');
  await goesOn.ended;
}
