// A person at a browser, as far as the pages of a sign-in need one.

import path from 'node:path';
import { chromium } from 'playwright-core';

const PAGE_MS = 60_000;
// The consent of the façade, the sign-in of the issuer, and room for one more.
const MOST_PAGES = 3;
const PERSON = 'alice';
const SIGN_IN = `button[name=answer][value=allow], button[name=sign_in_as][value=${PERSON}]`;

export function launch(executablePath) {
  return chromium.launch({
    executablePath,
    args: [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ],
  });
}

// A page in a browser that nobody has used.
export async function newPage(browser) {
  const context = await browser.newContext();
  context.setDefaultTimeout(PAGE_MS);
  return context.newPage();
}

// Presses what the pages of a sign-in ask for, until one asks for nothing. Gives their titles; takes pictures of them
// into a folder, under the name of the client.
export async function signIn(page, client, screenshots) {
  const pages = [];
  const button = page.locator(SIGN_IN).first();
  while (await button.count()) {
    pages.push(await page.title());
    if (pages.length > MOST_PAGES) throw new Error(`still asked after ${MOST_PAGES} pages: ${pages}`);
    await page.screenshot({ path: path.join(screenshots, `${client}-${pages.length}.png`), fullPage: true });
    await Promise.all([page.waitForNavigation(), button.click()]);
  }
  return pages;
}
