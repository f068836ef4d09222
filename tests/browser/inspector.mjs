// MCP Inspector's pages sign a person in, who uses them in the same browser. Runs as ../clients/node/signing_in.mjs
// says, and prints one line more: the titles of the pages of the sign-in. Needs INSPECTOR_NODE_MODULES, the folder that
// has Inspector and the Node to run it with, and the BROWSER_PROGRAM; pictures go to the folder SCREENSHOTS.

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launch, newPage, signIn } from './person.mjs';
import { TOOL, main, say } from './signing_in.mjs';

const { BROWSER_PROGRAM, INSPECTOR_NODE_MODULES, PATH, SCREENSHOTS } = process.env;
const INSPECTOR = '@modelcontextprotocol/inspector';
const START_MS = 60_000;
// As docs/security.md writes who a person is.
const SUBJECT = '"subject": "entra:';

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// Inspector's own server, once it says where it is.
async function start(url, home) {
  const ports = [await freePort(), await freePort()];
  const bin = path.join(INSPECTOR_NODE_MODULES, '.bin');
  const inspector = spawn(
    path.join(bin, 'mcp-inspector'),
    ['--web', '--transport', 'http', '--server-url', url, '--protocol-era', 'auto'],
    {
      env: {
        ...process.env,
        PATH: `${bin}${path.delimiter}${PATH}`,
        HOME: home,
        MCP_STORAGE_DIR: home,
        MCP_AUTO_OPEN_ENABLED: 'false',
        MCP_INSPECTOR_SECRET_STORE: 'memory',
        DANGEROUSLY_OMIT_AUTH: 'true',
        CLIENT_PORT: String(ports[0]),
        MCP_SANDBOX_PORT: String(ports[1]),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('Inspector does not start')), START_MS).unref();
    inspector.stdout.on('data', (said) => {
      process.stderr.write(said);
      if (String(said).includes('up and running')) resolve();
    });
  });
  return { inspector, at: `http://localhost:${ports[0]}/` };
}

async function connect(url) {
  const home = await mkdtemp(path.join(tmpdir(), 'inspector-'));
  const { inspector, at } = await start(url, home);
  const browser = await launch(BROWSER_PROGRAM);
  const page = await newPage(browser);
  // Each time it would have the person sign in.
  page.on('framenavigated', async (frame) => {
    if (frame === page.mainFrame() && new URL(frame.url()).pathname.endsWith('/oauth/authorize')) {
      say({ pages: await signIn(page, 'inspector', SCREENSHOTS) });
    }
  });
  await page.goto(at);
  await page.getByRole('switch').or(page.locator('label:has(input[type=checkbox])')).first().click({ force: true });
  await page.getByText('Connected', { exact: true }).waitFor();
  await page.getByText('Tools', { exact: true }).first().click();
  return {
    async call() {
      // Another tool in between, so that no answer of before is left.
      await page.getByRole('button', { name: 'bump_counter' }).click();
      await page.getByRole('button', { name: TOOL }).click();
      await page.getByText(SUBJECT).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Execute Tool' }).click();
      await page.screenshot({ path: path.join(SCREENSHOTS, 'inspector-call.png') });
      return page.getByText(SUBJECT).first().innerText();
    },
    async close() {
      await browser.close();
      inspector.kill();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const { version } = JSON.parse(readFileSync(path.join(INSPECTOR_NODE_MODULES, INSPECTOR, 'package.json')));
await main(version, connect);
