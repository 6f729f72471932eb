// The browser: every page of it reports what its policy stops, and whom it asks.

import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';

const modules = createRequire(path.join(process.env.CONSOLE, 'package.json'));
const { chromium } = modules('playwright-core');
const axe = fs.readFileSync(modules.resolve('axe-core/axe.min.js'), 'utf8');

/** Where the system has it; undefined where it has none. */
export function program() {
  const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
  const folders = (process.env.PATH ?? '').split(':').concat('/usr/bin');
  return folders.flatMap((folder) => names.map((name) => path.join(folder, name))).find((it) => fs.existsSync(it));
}

export const violations = [];
export const asked = [];
export const errors = [];

export async function launch() {
  return chromium.launch({
    executablePath: program(),
    // As root, Chromium has no sandbox; it is in a namespace without a way out.
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
  });
}

/** A browser of its own, as a new device is. `quiet`: what its pages report is not a fault. */
export async function device(browser, options = {}, quiet = false) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
  context.setDefaultTimeout(20_000);
  if (quiet) return context;
  context.on('request', (request) => asked.push(request.url()));
  await context.exposeBinding('stopped', (_, what) => violations.push(what));
  await context.addInitScript(() => addEventListener('securitypolicyviolation',
    (it) => window.stopped(`${location.pathname}: ${it.violatedDirective} ${it.blockedURI}`)));
  context.on('page', (page) => {
    page.on('pageerror', (error) => errors.push(`${page.url()}: ${error.message}`));
    page.on('console', (message) => {
      if (/Content.Security.Policy/i.test(message.text())) violations.push(message.text());
    });
  });
  return context;
}

/** What a checker of accessibility finds on a page, in words. */
export async function faults(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
    const { violations } = await window.axe.run(document, { runOnly: { type: 'tag', values: tags } });
    return violations.map((it) => `${it.id} (${it.impact}): ${it.nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.failureSummary?.split('\n')[1] ?? ''}`).join('; ')}`);
  });
  return found;
}

/** A click, or a key, that leads to another page: gives it when it is there, even where it has the same address. */
export async function leads(page, to, act) {
  const arrived = page.waitForEvent('domcontentloaded').then(() => true);
  for (;;) {
    const moved = page.locator('#say', { hasText: 'has just changed' });
    if (await moved.count()) await moved.evaluate((it) => { it.textContent = ''; });
    // What has just moved is not pressed by mistake: then a person looks, and presses again.
    const again = moved.waitFor().then(() => false, () => arrived);
    const [went] = await Promise.all([Promise.race([arrived, again]), act()]);
    if (went) break;
  }
  if (to) await page.waitForURL(to);
}
