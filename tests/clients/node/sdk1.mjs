// The TypeScript SDK 1.x, `@modelcontextprotocol/sdk`.

import { createRequire } from 'node:module';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { CONFIRMED, Mailbox, SUMMARY, main, watchedFetch } from './capabilities.mjs';
