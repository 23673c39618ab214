import { describe, expect, it } from "vitest";
import { maxFiles, pickedByDrop, pickedOf, TooManyFiles } from "../src/files/picked.js";

const file = (name: string, bytes = 3): FileSystemEntry =>
  ({ isFile: true, isDirectory: false, name, file: (done: (file: File) => void) => { done(new File([new Uint8Array(bytes)], name)); } }) as unknown as FileSystemEntry;

/** folder gives its entries a hundred at a time, as browsers do. */
function folder(name: string, children: FileSystemEntry[]): FileSystemEntry {
  return {
    isFile: false, isDirectory: true, name,
    createReader: () => {
      let at = 0;
      return { readEntries: (done: (entries: FileSystemEntry[]) => void) => { done(children.slice(at, (at += 100))); } };
    },
  } as unknown as FileSystemEntry;
}

const broken = (name: string): FileSystemEntry =>
  ({ isFile: true, isDirectory: false, name, file: (_: unknown, failed: (error: Error) => void) => { failed(new Error("locked")); } }) as unknown as FileSystemEntry;

function drop(...entries: FileSystemEntry[]): DataTransfer {
  return { items: entries.map((entry) => ({ kind: "file", webkitGetAsEntry: () => entry, getAsFile: () => null })) } as unknown as DataTransfer;
}

describe("pickedByDrop", () => {
  it("reads folders to the bottom, with all of their entries and paths", async () => {
    const slices = Array.from({ length: 250 }, (_, i) => file(`IM${String(i).padStart(4, "0")}`));
    const picked = await pickedByDrop(drop(folder("study", [folder("series", slices), file("DICOMDIR", 10)]), file("scan.nii.gz", 7)));
    expect(picked.files).toHaveLength(252);
    expect(picked.files.map(({ path }) => path)).toEqual(
      ["scan.nii.gz", "study/DICOMDIR", ...Array.from({ length: 250 }, (_, i) => `study/series/IM${String(i).padStart(4, "0")}`)]);
    expect(picked.bytes).toBe(250 * 3 + 10 + 7);
    expect(picked.unread).toBe(0);
  });

  it("counts what cannot be read, and passes over what systems leave behind", async () => {
    const picked = await pickedByDrop(drop(folder("f", [broken("x"), file(".DS_Store"), file("Thumbs.db"), file("._IM1"), file("IM1")])));
    expect(picked.files.map(({ path }) => path)).toEqual(["f/IM1"]);
    expect(picked.unread).toBe(1);
  });

  it("does not follow a folder without end", async () => {
    const endless = (name: string): FileSystemEntry => ({ isFile: false, isDirectory: true, name, createReader: () => folderReader(endless("d")) }) as unknown as FileSystemEntry;
    const picked = await pickedByDrop(drop(endless("d")));
    expect(picked).toMatchObject({ files: [], unread: 1 });
  });

  it("refuses more files than an edge takes", async () => {
    const many = Array.from({ length: maxFiles + 1 }, () => file("x"));
    await expect(pickedByDrop(drop(folder("f", many)))).rejects.toThrow(TooManyFiles);
  });

  it("takes plain files where the browser knows no entries", async () => {
    const transfer = { items: [{ kind: "string" }, { kind: "file", getAsFile: () => new File(["abc"], "a.dcm") }] } as unknown as DataTransfer;
    expect((await pickedByDrop(transfer)).files.map(({ path }) => path)).toEqual(["a.dcm"]);
  });
});

function folderReader(child: FileSystemEntry): unknown {
  let read = false;
  return { readEntries: (done: (entries: FileSystemEntry[]) => void) => { done(read ? [] : [child]); read = true; } };
}

describe("pickedOf", () => {
  it("knows the path in a folder that was chosen", () => {
    const chosen = Object.assign(new File(["abc"], "IM1"), { webkitRelativePath: "study/IM1" });
    expect(pickedOf([chosen, new File([""], "b")])).toMatchObject({ bytes: 3, files: [{ path: "study/IM1" }, { path: "b" }] });
  });
});
