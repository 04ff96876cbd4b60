/** A served model whose weights change when they are told to: a link to one of two bundles of the same shape. */
import { cp, mkdir, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadBundle, saveBundle } from '../src/model/bundle.js';
import { weightValues } from '../src/model/weights.js';
import { float32Tensor } from '../src/tensor/tensor.js';
import { MODELS } from '../test/support/load.js';

const NAME = 'tiny-reach';
/** What the second bundle has doubled, so that its energies are others. */
const DOUBLED = 'prediction_head.fc2.weight';

export interface ChangingModel {
  /** For `--models`. */
  readonly folder: string;
  /** The other weights from here on, in one step. */
  change(): Promise<void>;
  remove(): Promise<void>;
}

/** The bundled model, with its calibration, and the same with one tensor doubled. */
export async function changingModel(): Promise<ChangingModel> {
  const root = await mkdtemp(path.join(tmpdir(), 'action-energy-reload-'));
  const bundles = [path.join(root, 'first'), path.join(root, 'second')];
  await cp(path.join(MODELS, NAME), bundles[0]!, { recursive: true });
  const { card, weights } = await loadBundle(bundles[0]!);
  const values = weightValues(weights, DOUBLED).map((value) => 2 * value);
  const doubled = float32Tensor([...weights.get(DOUBLED)!.shape], values);
  await saveBundle(bundles[1]!, card, new Map([...weights, [DOUBLED, doubled]]));
  const folder = path.join(root, 'models');
  await mkdir(folder);
  let at = 0;
  const link = async (): Promise<void> => {
    const fresh = path.join(root, 'link');
    await symlink(bundles[at]!, fresh);
    await rename(fresh, path.join(folder, NAME));
  };
  await link();
  return {
    folder,
    async change() {
      at = 1 - at;
      await link();
    },
    remove: () => rm(root, { recursive: true }),
  };
}
