/** `npm run paper:results`: measures all that `paper-results.ts` has and writes it to the file that the lab draws from. It takes some minutes. */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format } from "prettier";
import { measurePaperResults, paperParameters } from "./paper-results.ts";

const FILE = fileURLToPath(new URL("../../app/lab/paper-results.json", import.meta.url));

const results = measurePaperResults(paperParameters);
writeFileSync(FILE, await format(JSON.stringify(results), { parser: "json", printWidth: 120 }));
process.stdout.write(`Written: app/lab/paper-results.json\n`);
