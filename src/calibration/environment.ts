/** What a report was computed with: no part of what it says, and needed to compute it again. */
import { z } from 'zod';
import type { EngineInfo } from '../engine/engine.js';
import { onnxRuntimeVersion, programVersion } from '../versions.js';

export const environmentSchema = z.strictObject({
  action_energy: z.string(),
  onnxruntime: z.string(),
  node: z.string(),
  /** Operating system and architecture. */
  platform: z.string(),
  provider: z.string(),
  /** Of the context encoder; everything else is float32, the statistics float64. */
  precision: z.string(),
  threads: z.int().min(0),
});
export type Environment = z.infer<typeof environmentSchema>;

export function environmentOf({ provider, precision, threads }: EngineInfo): Environment {
  return {
    action_energy: programVersion(),
    onnxruntime: onnxRuntimeVersion(),
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    provider,
    precision,
    threads,
  };
}
