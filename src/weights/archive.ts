/**
 * Zip archives in memory, as `torch.save` and `numpy.savez` write them: members stored or deflated. Declared sizes are
 * checked against the archive and against limits before anything is inflated, so that a zip bomb costs nothing.
 * CRCs are not checked: `torch.save` may be told to leave them out.
 */
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { fromBufferPromise, type Entry } from 'yauzl';
import { Fault, invalid } from '../errors.js';

/** A checkpoint has one member a tensor and a few more. */
const MAX_MEMBERS = 65_536;
/** All deflated members of one archive together, as declared; the same as the largest file that is read whole. */
export const MAX_INFLATED_BYTES = 2 * 1024 ** 3;
/** Deflate codes at most 258 bytes in 2 bits; a larger ratio is a lie. */
const MAX_DEFLATE_RATIO = 1032;
const STORED = 0;
const DEFLATED = 8;

const inflate = promisify(inflateRaw);

interface Member {
  readonly method: number;
  /** As they lie in the archive. */
  readonly packed: Uint8Array;
  readonly sizeBytes: number;
}

export interface Archive {
  /** Of the whole archive. */
  readonly sizeBytes: number;
  /** Member names in the order of the central directory. */
  readonly names: readonly string[];
  /** Declared size of a member, undefined when there is none of that name. */
  sizeOf(name: string): number | undefined;
  /** The member's bytes: a view of the archive when stored. Errors: no such member, broken deflate data. */
  read(name: string): Promise<Uint8Array>;
}

function memberOf(field: string, entry: Entry, archive: Uint8Array, dataStart: number): Member {
  const { compressionMethod: method, compressedSize, uncompressedSize: sizeBytes } = entry;
  if (entry.isEncrypted() || (method !== STORED && method !== DEFLATED)) {
    throw invalid(field, 'unsupported zip member', {
      found: entry.isEncrypted() ? 'encrypted' : `compression method ${method}`,
      wanted: 'stored or deflated',
    });
  }
  // the reader has checked dataStart + compressedSize against the archive, and equal sizes of a stored member
  const packed = archive.subarray(dataStart, dataStart + compressedSize);
  if (method === DEFLATED && sizeBytes > compressedSize * MAX_DEFLATE_RATIO) {
    throw invalid(field, 'declared size is impossible', {
      found: `${sizeBytes} bytes from ${compressedSize}`,
      wanted: `at most ${MAX_DEFLATE_RATIO} times the compressed size`,
    });
  }
  return { method, packed, sizeBytes };
}

async function readMembers(field: string, archive: Uint8Array): Promise<Map<string, Member>> {
  const buffer = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  const zip = await fromBufferPromise(buffer);
  if (zip.entryCount > MAX_MEMBERS) {
    throw invalid(field, 'too many zip members', {
      found: String(zip.entryCount),
      wanted: `at most ${MAX_MEMBERS}`,
    });
  }
  const members = new Map<string, Member>();
  let inflatedBytes = 0;
  for await (const entry of zip.eachEntry()) {
    const name = entry.fileName;
    if (members.has(name)) throw invalid(`${field}: ${name}`, 'two zip members of one name');
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const member = memberOf(`${field}: ${name}`, entry, archive, fileDataStart);
    if (member.method === DEFLATED) inflatedBytes += member.sizeBytes;
    if (inflatedBytes > MAX_INFLATED_BYTES) {
      throw invalid(field, 'too large once decompressed', {
        found: `at least ${inflatedBytes} bytes`,
        wanted: `at most ${MAX_INFLATED_BYTES} bytes`,
      });
    }
    members.set(name, member);
  }
  return members;
}

async function unpack(field: string, { method, packed, sizeBytes }: Member): Promise<Uint8Array> {
  if (method === STORED || sizeBytes === 0) return packed.subarray(0, sizeBytes);
  let bytes: Uint8Array;
  try {
    bytes = await inflate(packed, { maxOutputLength: sizeBytes });
  } catch (error) {
    throw invalid(field, 'broken deflate data', {
      found: error instanceof Error ? error.message : String(error),
      wanted: `${sizeBytes} bytes`,
      cause: error,
    });
  }
  if (bytes.byteLength !== sizeBytes) {
    throw invalid(field, 'deflate data end early', {
      found: `${bytes.byteLength} bytes`,
      wanted: `${sizeBytes} bytes`,
    });
  }
  return bytes;
}

/** Reads the directory of a zip archive. Errors name `field` and the member. */
export async function openArchive(field: string, bytes: Uint8Array): Promise<Archive> {
  let members: Map<string, Member>;
  try {
    members = await readMembers(field, bytes);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw invalid(field, 'not a readable zip archive', {
      found: error instanceof Error ? error.message.slice(0, 200) : String(error),
      mend: 'The file is truncated or damaged.',
      cause: error,
    });
  }
  return {
    sizeBytes: bytes.byteLength,
    names: [...members.keys()],
    sizeOf: (name) => members.get(name)?.sizeBytes,
    async read(name) {
      const member = members.get(name);
      if (!member) throw invalid(field, 'no such zip member', { found: name });
      return unpack(`${field}: ${name}`, member);
    },
  };
}
