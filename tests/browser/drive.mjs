// Drives a browser through page.mjs and reports one line of JSON for each check. run.py calls it:
//
//     node drive.mjs BROWSER CONFIG
//
// CONFIG is JSON: `pages` (the origins of the `allowed` page and of the `other` one), `fleet`
// (../clients/fleet_work.py), `screenshots` (the folder for pictures of the front page), and `endpoints`, each with its
// `name`, its `url`, the `protocol` that the browser must have spoken with it, and the `certificate` to trust, if it
// has one.

import { createHash, X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const REVISIONS = ['2025-11-25', '2026-07-28'];

// More than page.mjs allows itself.
const CHECK_MS = 60_000;

const [executablePath, config] = process.argv.slice(2);
const { pages, fleet, screenshots, endpoints } = JSON.parse(config);

async function launch(folder) {
  const certificates = endpoints.flatMap(({ certificate }) => certificate ?? []);
  const keys = await Promise.all(certificates.map(keyOf));
  return chromium.launchPersistentContext(folder, {
    executablePath,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      // Pages need origins that are not those of the loopback interface, which may call in any case.
      '--host-resolver-rules=MAP *.test 127.0.0.1',
      // In place of an authority that the machine would have to trust.
      `--ignore-certificate-errors-spki-list=${keys.join(',')}`,
    ],
  });
}

// The fingerprint of a certificate's key, as Chromium wants it.
async function keyOf(file) {
  const { publicKey } = new X509Certificate(await readFile(file));
  return createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}

async function open(context, origin, said = []) {
  const page = await context.newPage();
  page.setDefaultTimeout(CHECK_MS);
  page.on('console', (message) => {
    console.error(`${origin}: ${message.text()}`);
    said.push(message.text());
  });
  await page.goto(origin);
  await page.waitForFunction(() => globalThis.capabilities);
  return page;
}

// What the browser speaks with each origin, as far as it has spoken.
async function protocolsOf(context, page) {
  const protocols = new Map();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  session.on('Network.responseReceived', ({ response }) => {
    const { origin } = new URL(response.url);
    if (response.protocol) protocols.set(origin, (protocols.get(origin) ?? new Set()).add(response.protocol));
  });
  return protocols;
}

// Tells whether a check succeeds.
async function report(line, check) {
  try {
    await check();
    console.log(JSON.stringify({ ...line, outcome: 'ok' }));
  } catch (error) {
    console.error('---', line, error);
    console.log(JSON.stringify({ ...line, outcome: 'FAILED' }));
  }
}

// A page does everything that the client can.
async function useAll(page, endpoint, revision) {
  for (const capability of await page.evaluate(() => globalThis.capabilities)) {
    await report({ endpoint: endpoint.name, revision, check: capability }, () =>
      page.evaluate((what) => globalThis.check(what), { capability, url: endpoint.url, fleet, revision }));
  }
}

// What the counter says to a page after it was counted up.
async function bump(page, { url }, revision) {
  return page.evaluate((what) => globalThis.call(what), { url, revision, tool: 'bump_counter' });
}

// A page tries what browsers ask about first, and what they send unasked.
async function tryAll(page, endpoint, revision) {
  await assert.rejects(bump(page, endpoint, revision));
  const message = {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'bump_counter',
      _meta: { 'io.modelcontextprotocol/protocolVersion': revision, 'io.modelcontextprotocol/clientCapabilities': {} },
    },
  };
  await page.evaluate((what) => globalThis.sendUnasked(what), { url: endpoint.url, message });
}

// The screens and schemes that people look at the front page with.
const SCREENS = [
  { width: 360, height: 740, colorScheme: 'light', ground: 'rgb(255, 255, 255)' },
  { width: 360, height: 740, colorScheme: 'dark', ground: 'rgb(20, 23, 26)' },
  { width: 1280, height: 800, colorScheme: 'light', ground: 'rgb(255, 255, 255)' },
  { width: 1280, height: 800, colorScheme: 'dark', ground: 'rgb(20, 23, 26)' },
];

// The front page of the server itself: a person reads there which URL to give to a client.
async function readFrontPage(context, { name, url }) {
  const page = await context.newPage();
  try {
    page.setDefaultTimeout(CHECK_MS);
    const said = [];
    page.on('console', (message) => said.push(message.text()));
    page.on('pageerror', (error) => said.push(`${error}`));
    for (const { colorScheme, ground, ...screen } of SCREENS) {
      await page.setViewportSize(screen);
      await page.emulateMedia({ colorScheme });
      await page.goto(new URL(url).origin);
      assert.equal(await page.locator('h1').innerText(), 'An MCP server');
      assert.equal(await page.locator('#url').innerText(), url);
      const { servers } = JSON.parse(await page.locator('#vscode').innerText());
      assert.equal(servers['my-server'].url, url);
      const seen = await page.evaluate(() => ({
        ground: getComputedStyle(document.body).backgroundColor,
        overflows: document.documentElement.scrollWidth > innerWidth,
      }));
      // Nobody scrolls sideways; that the ground has its color shows that the policy lets the style in.
      assert.deepEqual(seen, { ground, overflows: false });
      const file = `front-page-${name.split(',')[0]}-${screen.width}-${colorScheme}.png`;
      await page.screenshot({ path: path.join(screenshots, file), fullPage: true });
    }
    assert.deepEqual(said, []);
  } finally {
    await page.close();
  }
}

async function drive(context) {
  const allowed = await open(context, pages.allowed);
  const said = [];
  const other = await open(context, pages.other, said);
  const protocols = await protocolsOf(context, allowed);
  let bumps = 0;
  for (const endpoint of endpoints) {
    for (const revision of REVISIONS) {
      const line = { endpoint: endpoint.name, revision };
      await useAll(allowed, endpoint, revision);
      await report({ ...line, check: 'refused' }, async () => {
        said.length = 0;
        await tryAll(other, endpoint, revision);
        assert(said.some((line) => line.includes(endpoint.url) && line.includes('blocked by CORS policy')), `${said}`);
        // The calls of the allowed page are the only ones that were run.
        bumps += 1;
        assert.equal(await bump(allowed, endpoint, revision), `${bumps}`);
      });
      await report({ ...line, check: 'protocol' }, () => {
        const { origin } = new URL(endpoint.url);
        assert.deepEqual([...(protocols.get(origin) ?? [])], [endpoint.protocol]);
      });
      await report({ ...line, check: 'front_page' }, () => readFrontPage(context, endpoint));
    }
  }
}

const folder = await mkdtemp(path.join(tmpdir(), 'prynai-browser-'));
try {
  const context = await launch(folder);
  console.log(JSON.stringify({ browser: `${context.browser()?.version() ?? 'unknown'}` }));
  await drive(context);
  await context.close();
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
