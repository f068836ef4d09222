// Drives a browser through host.mjs and reports one line of JSON for each check. apps.py calls it:
//
//     node apps.mjs BROWSER CONFIG
//
// CONFIG is JSON: `host` and `sandbox` (pages of two origins), `url` (the endpoint of the fleet), and `pictures` (the
// folder for screenshots).

import path from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const REVISIONS = ['2025-11-25', '2026-07-28'];
const CHECK_MS = 60_000;
const SCREENS = [
  { width: 360, height: 480, theme: 'light', ground: 'rgb(255, 255, 255)' },
  { width: 1280, height: 480, theme: 'dark', ground: 'rgb(20, 23, 26)' },
];

const [executablePath, config] = process.argv.slice(2);
const { host, sandbox, url, pictures } = JSON.parse(config);

async function report(line, check) {
  try {
    await check();
    console.log(JSON.stringify({ ...line, outcome: 'ok' }));
  } catch (error) {
    console.error('---', line, error);
    console.log(JSON.stringify({ ...line, outcome: 'FAILED' }));
  }
}

// A host page of its own, with the app in it.
async function withApp(browser, revision, { theme = 'light', serverTools = true, ...viewport }, use) {
  const page = await browser.newPage({ viewport: { width: 800, height: 480, ...viewport }, colorScheme: theme });
  page.setDefaultTimeout(CHECK_MS);
  const said = [];
  // The SDK notes each message for those who look for bugs.
  const isComplaint = (message) => ['warning', 'error'].includes(message.type());
  page.on('console', (message) => isComplaint(message) && said.push(message.text()));
  page.on('pageerror', (error) => said.push(`${error}`));
  try {
    await page.goto(host);
    await page.waitForFunction(() => globalThis.connect);
    await page.evaluate((what) => globalThis.connect(what), { url, revision });
    const value = await page.evaluate((what) => globalThis.show(what), { sandbox, theme, serverTools });
    const app = page.frameLocator('iframe').frameLocator('iframe');
    await use({ page, app, value });
    await page.evaluate(() => globalThis.close());
    assert.deepEqual(said, []);
  } finally {
    if (said.length) console.error(revision, said);
    await page.close();
  }
}

async function saysOf(app, id, text) {
  await app.locator(id).filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
}

async function drive(browser) {
  for (const revision of REVISIONS) {
    await report({ revision, check: 'shows' }, () => withApp(browser, revision, {}, async ({ app, value }) => {
      await saysOf(app, '#value', value);
      await saysOf(app, '#says', 'The counter “counter”');
    }));
    await report({ revision, check: 'calls' }, () => withApp(browser, revision, {}, async ({ page, app, value }) => {
      for (const counted of [value + 1, value + 2]) {
        await app.getByRole('button', { name: 'Count up' }).click();
        await saysOf(app, '#value', counted);
        // The fleet says the same, whichever worker is asked.
        assert.equal(await page.evaluate(() => globalThis.ask()), counted);
      }
    }));
    await report({ revision, check: 'may_not_call' }, () =>
      withApp(browser, revision, { serverTools: false }, async ({ app, value }) => {
        await saysOf(app, '#value', value);
        assert.equal(await app.getByRole('button', { name: 'Count up' }).isDisabled(), true);
      }));
    await report({ revision, check: 'looks' }, async () => {
      for (const { ground, ...screen } of SCREENS) {
        await withApp(browser, revision, screen, async ({ page, app, value }) => {
          await saysOf(app, '#value', value);
          const seen = await app.locator('body').evaluate((body) => ({
            ground: getComputedStyle(body).backgroundColor,
            overflows: document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight,
          }));
          assert.deepEqual(seen, { ground, overflows: false });
          const file = `app-${revision}-${screen.width}-${screen.theme}.png`;
          await page.screenshot({ path: path.join(pictures, file) });
        });
      }
    });
  }
}

const browser = await chromium.launch({
  executablePath,
  args: [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
    '--host-resolver-rules=MAP *.test 127.0.0.1',
  ],
});
try {
  console.log(JSON.stringify({ browser: browser.version() }));
  await drive(browser);
} finally {
  await browser.close();
}
