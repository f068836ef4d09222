// The program of the web page: a client of the fleet that the page itself was not loaded from. drive.mjs calls it.

import { CAPABILITIES, withClient } from '../clients/node/checks.mjs';
import { connect } from '../clients/node/sdk2_client.mjs';

globalThis.capabilities = Object.keys(CAPABILITIES);

// Puts a client of its own through one check; fails as the check does.
globalThis.check = async ({ capability, url, fleet, revision }) => {
  await withClient(() => connect(url, revision), (client, signal) => CAPABILITIES[capability]({ client, fleet, signal }));
};

// What a call of this tool answers, in a session or without one.
globalThis.call = ({ url, revision, tool }) => new Promise((resolve, reject) => {
  withClient(() => connect(url, revision), async (client) => resolve(await client.call(tool, {}))).catch(reject);
});

// A request that browsers send for any page without asking, whatever becomes of the answer.
globalThis.sendUnasked = async ({ url, message }) => {
  await fetch(url, { method: 'POST', mode: 'no-cors', body: JSON.stringify(message) });
};
