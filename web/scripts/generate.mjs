// Writes src/contract.ts, the TypeScript types of the contract, from the JSON Schema that the Go package
// signaling generates. The file is made before every build and is not committed, so it cannot go stale.
import { readFile, writeFile } from "node:fs/promises";
import { compile } from "json-schema-to-typescript";

const schemaFile = new URL("../../signaling/schema/contract.schema.json", import.meta.url);
const outFile = new URL("../src/contract.ts", import.meta.url);

// A description beside a $ref makes the generator write the type a second time under another name.
function plainReferences(schema) {
  if (Array.isArray(schema)) return schema.map(plainReferences);
  if (schema === null || typeof schema !== "object") return schema;
  if ("$ref" in schema) return { $ref: schema.$ref };
  return Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, plainReferences(value)]));
}

const schema = JSON.parse(await readFile(schemaFile, "utf8"));
const { roots, ...defs } = schema.$defs;
const source = await compile(plainReferences({ $defs: defs, ...roots, title: "Contract" }), "Contract", {
  additionalProperties: false,
  bannerComment: "// Generated from signaling/schema/contract.schema.json by scripts/generate.mjs; not to be edited.",
  unreachableDefinitions: true,
  maxItems: 4,
  style: { printWidth: 110 },
});
const previous = await readFile(outFile, "utf8").catch(() => "");
if (source !== previous) {
  await writeFile(outFile, source);
}
