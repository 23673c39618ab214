// The worked examples of the contract, read by the Go tests as well, against the schema that the types are made of.
import { readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { lettersOf } from "../src/camera/letters.js";
import { patched } from "../src/client/view.js";
import type { Input, Stamp, ViewState } from "../src/contract.js";

const contract = new URL("../../signaling/", import.meta.url);
const read = (path: string): unknown => JSON.parse(readFileSync(new URL(path, contract), "utf8"));
const schema = read("schema/contract.schema.json") as { $id: string; $defs: Record<string, unknown> };

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(schema);

interface Example {
  type: string;
  example: unknown;
}

const example = (file: string): Example => read(`examples/${file}`) as Example;

describe("examples of the contract", () => {
  const files = readdirSync(new URL("examples/", contract)).filter((file) => file.endsWith(".json"));

  it.each(files)("%s is of its type", (file) => {
    const { type, example: message } = example(file);
    const validate = ajv.getSchema(`${schema.$id}#/$defs/${type}`);
    if (validate === undefined) throw new Error(`the schema has no ${type}`);
    void validate(message);
    expect(validate.errors ?? []).toEqual([]);
  });

  it("can be shown", () => {
    const stamp = example("stamp.json").example as Stamp;
    for (const camera of stamp.cameras ?? []) expect(lettersOf(camera).top).toMatch(/^[RLAPHF]{1,3}$/);
    const view = example("view-state.json").example as ViewState;
    const input = example("input.json").example as Input;
    const id = view.viewports[0].id;
    const moved = patched(view, { viewports: [{ ...input.viewport, id }] });
    expect(moved.viewports[0]).toMatchObject(input.viewport.camera === undefined ? {} : { camera: input.viewport.camera });
  });
});
