// The program of the host page: it finds the app of a tool at the fleet, frames it, calls the tool, and passes on what
// the app asks for. The host's side of SEP-1865 is that of `@modelcontextprotocol/ext-apps`. drive.mjs calls it.

import assert from 'node:assert/strict';
import { AppBridge, PostMessageTransport } from '@modelcontextprotocol/ext-apps/app-bridge';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

const APP = 'text/html;profile=mcp-app';
const STATELESS = '2026-07-28';
const TOOL = 'show_counter';

let client;

globalThis.connect = async ({ url, revision }) => {
  client = new Client(
    { name: 'host', version: '1' },
    {
      capabilities: { extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: [APP] } } },
      versionNegotiation: { mode: revision === STATELESS ? 'auto' : 'legacy' },
    },
  );
  await client.connect(new StreamableHTTPClientTransport(new URL(url)));
  assert.equal(client.getNegotiatedProtocolVersion(), revision);
};

// The page of the app, as the server gives it.
async function page() {
  const { tools } = await client.listTools();
  const { resourceUri } = tools.find((tool) => tool.name === TOOL)._meta.ui;
  const { resources } = await client.listResources();
  assert.equal(resources.find((resource) => resource.uri === resourceUri)?.mimeType, APP);
  const { contents } = await client.readResource({ uri: resourceUri });
  assert.equal(contents.length, 1);
  const [{ uri, mimeType, text, _meta }] = contents;
  assert.deepEqual([uri, mimeType], [resourceUri, APP]);
  assert.deepEqual(_meta.ui, { csp: {}, prefersBorder: true });
  return { html: text, csp: _meta.ui.csp };
}

// Shows the app beside a call of its tool, which `sandbox` frames; answers what the tool said.
globalThis.show = async ({ sandbox, theme, serverTools }) => {
  const shown = await page();
  const frame = document.querySelector('iframe');
  const capabilities = { openLinks: {}, ...(serverTools && { serverTools: {} }) };
  const bridge = new AppBridge(client, { name: 'host', version: '1' }, capabilities, { hostContext: { theme } });
  const isReady = new Promise((resolve) => { bridge.onsandboxready = resolve; });
  const isInitialized = new Promise((resolve) => { bridge.oninitialized = resolve; });
  bridge.onsizechange = ({ height }) => { frame.style.height = `${height}px`; };
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.src = sandbox;
  await isReady;
  await bridge.sendSandboxResourceReady(shown);
  await isInitialized;
  assert.deepEqual(bridge.getAppVersion()?.name, 'counter');
  const args = {};
  await bridge.sendToolInput({ arguments: args });
  const result = await client.callTool({ name: TOOL, arguments: args });
  await bridge.sendToolResult(result);
  globalThis.bridge = bridge;
  return result.structuredContent.value;
};

// What the counter says without the app.
globalThis.ask = async () => (await client.callTool({ name: TOOL, arguments: {} })).structuredContent.value;

globalThis.close = async () => {
  await globalThis.bridge?.teardownResource({});
  await client.close();
};
