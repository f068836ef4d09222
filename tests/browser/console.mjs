// Looks at the console of a fleet, and of a process that has nothing to do, with a browser, and reports one line of
// JSON for each check. console.py calls it:
//
//     node console.mjs BROWSER CONFIG
//
// CONFIG is JSON: `fleet` and `idle` (where the consoles are), `token`, `mcp` (the endpoint of the fleet), `other` (the
// origin of a page that is none of them), and `pictures`, a folder for what was seen.

import assert from 'node:assert/strict';
import path from 'node:path';
import { chromium } from 'playwright-core';

// Longer than five seconds, after which pages are loaded anew.
const PATIENCE_MS = 30_000;
const HOSTILE = '<img src=x onerror=alert(1)>\u001b[2J\u202e"><script>alert(1)</script>';
const LISTS = ['', '/queue', '/recent', '/tasks', '/workers', '/gateways', '/dead', '/sessions', '/doctor'];

const [executablePath, config] = process.argv.slice(2);
const { fleet, idle, token, mcp, other, pictures } = JSON.parse(config);

async function report(check, run) {
  try {
    await run();
    console.log(JSON.stringify({ check, outcome: 'ok' }));
  } catch (error) {
    console.error('---', check, error);
    console.log(JSON.stringify({ check, outcome: 'FAILED' }));
  }
}

// A call of a modern client that goes on until it is stopped.
function call(id, name, args) {
  const stop = new AbortController();
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    progressToken: 1,
  };
  const ended = fetch(mcp, {
    method: 'POST',
    signal: stop.signal,
    headers: {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      'MCP-Protocol-Version': '2026-07-28',
      'Mcp-Method': 'tools/call',
      'Mcp-Name': name,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, _meta: meta } }),
  }).then((response) => response.text()).catch(() => undefined);
  return { stop: () => stop.abort(), ended };
}

const running = [];

function runs(id) {
  running.push(call(id, 'long_running', { steps: 1000, delay_ms: 100 }));
}

async function main(browser) {
  const problems = [];
  async function open(url, options = {}) {
    const { width = 1280, scheme = 'light', isKnown = true } = options;
    const context = await browser.newContext({
      viewport: { width, height: 800 },
      colorScheme: scheme,
      httpCredentials: isKnown ? { username: 'me', password: token, send: 'unauthorized' } : undefined,
    });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('console', (message) => problems.push(`${url}: ${message.text()}`));
    page.on('pageerror', (error) => problems.push(`${url}: ${error}`));
    page.on('dialog', (dialog) => {
      problems.push(`${url}: a dialog opened`);
      void dialog.dismiss();
    });
    const response = await page.goto(url);
    return { page, response, close: () => context.close() };
  }
  async function picture(page, name) {
    // A page that loads itself anew meanwhile cannot be taken.
    const [still] = await page.getByText('Stop that').evaluateAll((links) => links.map((link) => link.href));
    if (still) await page.goto(still);
    await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
  }

  await report('asks who looks', async () => {
    // As a browser says it when nobody types a password.
    await assert.rejects(open(fleet, { isKnown: false }), /ERR_INVALID_AUTH_CREDENTIALS/);
    problems.length = 0;
  });

  await report('an idle process', async () => {
    const { page, close } = await open(idle);
    assert.match(await page.innerText('main'), /Nothing needs attention/);
    await picture(page, 'idle');
    await close();
  });

  await report('loads itself anew', async () => {
    const { page, close } = await open(`${fleet}/queue`);
    assert.match(await page.innerText('main'), /The queue is empty/);
    for (const id of [1, 2, HOSTILE]) runs(id);
    await page.getByText('long_running').first().waitFor();
    await page.getByText('Stop that').click();
    assert.equal(await page.locator('meta[http-equiv=refresh]').count(), 0);
    await close();
  });

  await report('every page, wide and narrow, light and dark', async () => {
    const { page, close } = await open(`${fleet}/queue`);
    const calls = await page.locator('td a').evaluateAll((links) => links.map((link) => link.href));
    assert.equal(calls.length, 3);
    await close();
    for (const [scheme, width] of [['light', 1280], ['dark', 1280], ['light', 800], ['dark', 400]]) {
      for (const url of [...LISTS.map((list) => fleet + list), calls[0], calls[2]]) {
        const { page, response, close } = await open(url, { scheme, width });
        assert.equal(response.status(), 200, url);
        assert.equal(await page.locator('img, script, b').count(), 0, url);
        const needed = await page.evaluate(() => document.documentElement.scrollWidth);
        assert(needed <= width, `${url} needs ${needed} of ${width}`);
        const list = new URL(url).pathname.split('/')[2] ?? 'overview';
        const number = calls.indexOf(url) > 0 ? '-waits' : '';
        await picture(page, `${list}${number}-${width}-${scheme}`);
        await close();
      }
    }
  });

  await report('another page cannot use it', async () => {
    const { page, close } = await open(other);
    const [refused] = await Promise.all([
      page.waitForResponse((response) => response.url() === `${fleet}/do` && response.status() !== 401),
      page.evaluate((url) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action: `${url}/do` });
        document.body.append(form);
        form.submit();
      }, fleet),
    ]);
    assert.equal(refused.status(), 403);
    await page.waitForURL(`${fleet}/do`);
    await page.goto(other);
    problems.length = 0;
    await page.evaluate((url) => {
      document.body.append(Object.assign(document.createElement('iframe'), { src: url }));
    }, idle);
    const frame = await page.locator('iframe').elementHandle();
    await (await frame.contentFrame()).waitForLoadState();
    assert(!(await page.frameLocator('iframe').locator('body').innerText()).includes('Nothing needs attention'));
    assert(problems.some((problem) => problem.includes("frame-ancestors 'none'")), `${problems}`);
    await close();
    problems.length = 0;
  });

  await report('a call is cancelled', async () => {
    const { page, close } = await open(`${fleet}/queue`);
    await page.locator('td a').first().click();
    await page.getByRole('link', { name: 'Cancel this call' }).click();
    await picture(page, 'ask');
    await page.getByRole('button', { name: 'Cancel the call' }).click();
    await page.getByRole('status').filter({ hasText: 'The call is cancelled' }).waitFor();
    await Promise.race(running.map(({ ended }) => ended));
    await close();
  });

  await report('a dead letter is dropped', async () => {
    const { page, close } = await open(`${fleet}/dead`);
    await page.getByRole('link', { name: 'Drop' }).click();
    await page.getByRole('button', { name: 'Drop the letter' }).click();
    await page.getByRole('status').filter({ hasText: 'The dead letter is dropped' }).waitFor();
    await page.getByText('No request was put aside').waitFor();
    await close();
  });

  await report('the browser complains of nothing', () => assert.deepEqual(problems, []));
}

const browser = await chromium.launch({
  executablePath,
  args: [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'],
    '--host-resolver-rules=MAP *.test 127.0.0.1',
  ],
});
try {
  await main(browser);
} finally {
  running.forEach(({ stop }) => stop());
  await browser.close();
}
