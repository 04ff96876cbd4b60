/**
 * The golden cases on the WebGPU provider, without a GPU: the SwiftShader Vulkan driver that Debian's chromium package
 * ships renders in software. The Vulkan loader reads its settings once, so they must stand in the environment before
 * ONNX Runtime is loaded: the engine runs in a child process.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { GOLDEN_CASES } from '../support/bundles.js';

const DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';
const CHILD = fileURLToPath(new URL('../support/golden-webgpu.js', import.meta.url));
const TIME_LIMIT_MS = 300_000;

const missing = existsSync(DRIVER)
  ? false
  : `WEBGPU IS NOT TESTED HERE: ${DRIVER} is missing; apt-get install chromium libvulkan1`;
// The project's own check installs the driver, so there a missing one is a failure and not a skip.
const required = process.env['CI'] === 'true';

test(
  'the golden cases hold on WebGPU; auto prefers the CPU to a software driver',
  { skip: required ? false : missing },
  async () => {
    assert.equal(missing, false);
    const { stdout } = await promisify(execFile)(process.execPath, [CHILD], {
      env: { ...process.env, VK_DRIVER_FILES: DRIVER, VK_ICD_FILENAMES: DRIVER },
      timeout: TIME_LIMIT_MS,
    });
    const lines = stdout.trim().split('\n');
    assert.deepEqual(
      lines.slice(0, -1),
      GOLDEN_CASES.map((name) => `webgpu ${name}`),
    );
    // A software driver must not be taken for a GPU: `auto` measures it and says so.
    assert.match(lines.at(-1)!, /^auto cpu .*webgpu: [\d.]+ times slower/);
  },
);
