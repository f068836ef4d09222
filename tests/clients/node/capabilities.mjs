// How a client's program reports what it was put through (checks.mjs): the same as ../python/capabilities.py, for
// clients of Node. A program calls `main`, which runs it as
//
//     node PROGRAM.mjs URL FLEET REVISION capabilities|endings|deadline
//
// where the packages are found: the programs run as copies beside their node_modules.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CAPABILITIES, DEADLINE, ENDINGS, withClient } from './checks.mjs';

export * from './checks.mjs';

// Runs the checks with `connect(url, revision)`. `missing` are capabilities that the client has no API for, each with
// the reason.
export async function main(version, connect, missing = {}) {
  const [url, fleet, revision, which] = process.argv.slice(2);
  const checks = { capabilities: CAPABILITIES, endings: ENDINGS, deadline: DEADLINE }[which];
  say({ version });
  for (const [capability, check] of Object.entries(checks)) {
    if (missing[capability]) {
      say({ capability, outcome: 'missing', reason: missing[capability] });
      continue;
    }
    try {
      await withClient(() => connect(url, revision), (client, signal) => check({ client, fleet, signal }));
      say({ capability, outcome: 'ok' });
    } catch (error) {
      console.error(`--- ${capability}\n`, error);
      say({ capability, outcome: 'failed' });
    }
  }
  process.exit(0);
}

const INSTALLED = path.join(import.meta.dirname, 'node_modules');

export function versionOf(name) {
  return JSON.parse(readFileSync(path.join(INSTALLED, name, 'package.json'))).version;
}

// The program of this name that a package brought along.
export function programOf(name) {
  return path.join(INSTALLED, '.bin', name);
}

export function say(line) {
  console.log(JSON.stringify(line));
}
