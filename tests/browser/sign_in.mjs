// A person who signs in on the pages that programs open. tests/clients/sign_in.py calls it:
//
//     node sign_in.mjs BROWSER SCREENSHOTS
//
// Each line of standard input is JSON: `client`, a name for the pictures in the folder SCREENSHOTS, and `url`, the page
// that its program opens. Each line of standard output says for which client the person came back to the program, and
// the titles of the pages on the way; or what went wrong.

import { createInterface } from 'node:readline';
import { launch, newPage, signIn } from './person.mjs';

const [executablePath, screenshots] = process.argv.slice(2);
const browser = await launch(executablePath);

async function serve({ client, url }) {
  const page = await newPage(browser);
  try {
    await page.goto(url);
    console.log(JSON.stringify({ client, pages: await signIn(page, client, screenshots) }));
  } catch (error) {
    console.log(JSON.stringify({ client, error: String(error), at: page.url() }));
  } finally {
    await page.context().close();
  }
}

const served = [];
for await (const line of createInterface({ input: process.stdin })) served.push(serve(JSON.parse(line)));
await Promise.all(served);
await browser.close();
