/** Zip archives made in code, with headers that may lie. CRCs are left 0: the readers do not check them. */
import { deflateRawSync } from 'node:zlib';

export interface ZipMember {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflate?: boolean;
  /** What the directory says instead of the truth. */
  readonly declared?: {
    readonly compressedSize?: number;
    readonly size?: number;
    readonly method?: number;
    readonly flags?: number;
    readonly offset?: number;
  };
}

/** `entryCount`: what the end record says instead of the number of members. */
export function zipArchive(members: readonly ZipMember[], entryCount = members.length): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let position = 0;
  for (const { name, data, deflate = false, declared = {} } of members) {
    const packed = deflate ? deflateRawSync(data) : Buffer.from(data);
    const nameBytes = Buffer.from(name, 'utf8');
    const method = declared.method ?? (deflate ? 8 : 0);

    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(method, 8);
    local.writeUInt16LE(nameBytes.length, 26);
    parts.push(local, nameBytes, packed);

    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(declared.flags ?? 0x800, 8); // names are UTF-8
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(declared.compressedSize ?? packed.length, 20);
    central.writeUInt32LE(declared.size ?? data.length, 24);
    central.writeUInt16LE(nameBytes.length, 28);
    central.writeUInt32LE(declared.offset ?? position, 42);
    directory.push(central, nameBytes);
    position += local.length + nameBytes.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entryCount, 8);
  end.writeUInt16LE(entryCount, 10);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(position, 16);
  return new Uint8Array(Buffer.concat([...parts, ...directory, end]));
}
