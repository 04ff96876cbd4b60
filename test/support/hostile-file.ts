/** A file that lies, and what its refusal must say. */
export interface HostileFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** What the message must say. */
  readonly says: RegExp;
}
