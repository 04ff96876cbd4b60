/** Versions of this program and of the runtime that computes. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

export function programVersion(): string {
  return versionIn(new URL('../../package.json', import.meta.url));
}

export function onnxRuntimeVersion(): string {
  return versionIn(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
}

function versionIn(file: URL | string): string {
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
