// Files that a hand has dropped on the page or chosen, with their paths.

/** PickedFile is a file and where it lies below what was dropped. */
export interface PickedFile {
  path: string;
  file: File;
}

/** Picked is what was dropped or chosen. */
export interface Picked {
  files: PickedFile[];
  bytes: number;
  /** unread counts folders and files that the browser could not read. */
  unread: number;
}

/** maxFiles bounds one drop, as an edge does. */
export const maxFiles = 100_000;

/** Folders deeper than this are not followed. */
const maxDepth = 64;

/** TooManyFiles says that a drop has more files than an edge takes. */
export class TooManyFiles extends Error {
  override readonly name = "TooManyFiles";

  constructor() {
    super(`There are more than ${maxFiles.toLocaleString("en-GB")} files. Drop fewer of them, for example one study.`);
  }
}

/** What systems leave in folders; it is never a study. */
const leavings = new Set([".ds_store", "thumbs.db", "desktop.ini"]);

function isLeaving(name: string): boolean {
  return leavings.has(name.toLowerCase()) || name.startsWith("._");
}

/** holdsFiles says whether what is dragged over the page are files. */
export function holdsFiles(transfer: DataTransfer | null): boolean {
  return transfer?.types.includes("Files") ?? false;
}

/**
 * pickedByDrop reads everything below what was dropped. The first step happens at once, as a drop's contents are
 * gone when its event is over.
 */
export async function pickedByDrop(transfer: DataTransfer): Promise<Picked> {
  const entries: FileSystemEntry[] = [];
  const plain: File[] = [];
  for (const item of Array.from(transfer.items)) {
    if (item.kind !== "file") continue;
    const entry = "webkitGetAsEntry" in item ? item.webkitGetAsEntry() : null;
    if (entry !== null) entries.push(entry);
    else {
      const file = item.getAsFile();
      if (file !== null) plain.push(file);
    }
  }
  const picked = pickedOf(plain);
  await walk(entries, picked);
  picked.files.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return picked;
}

/** pickedOf is what a file field holds; files of a chosen folder know their path in it. */
export function pickedOf(files: Iterable<File>): Picked {
  const picked: Picked = { files: [], bytes: 0, unread: 0 };
  for (const file of files) add(picked, file.webkitRelativePath || file.name, file);
  return picked;
}

function add(picked: Picked, path: string, file: File): void {
  if (isLeaving(file.name)) return;
  if (picked.files.length >= maxFiles) throw new TooManyFiles();
  picked.files.push({ path, file });
  picked.bytes += file.size;
}

async function walk(entries: FileSystemEntry[], picked: Picked): Promise<void> {
  // By a list of what is left to do rather than by recursion: folders may be wide, and are bounded in depth.
  const left = entries.map((entry) => ({ entry, path: entry.name, depth: 0 }));
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { entry, path, depth } = next;
    try {
      if (entry.isFile) {
        const file = await fileOf(entry as FileSystemFileEntry);
        add(picked, path, file);
      } else if (depth >= maxDepth) {
        picked.unread++;
      } else {
        for (const child of await childrenOf(entry as FileSystemDirectoryEntry)) {
          left.push({ entry: child, path: `${path}/${child.name}`, depth: depth + 1 });
        }
      }
    } catch (error) {
      if (error instanceof TooManyFiles) throw error;
      picked.unread++;
    }
  }
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => { entry.file(resolve, reject); });
}

/** childrenOf reads on until nothing more comes: browsers give a hundred entries at a time. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (some.length === 0) return all;
    all.push(...some);
    if (all.length > maxFiles) throw new TooManyFiles();
  }
}
