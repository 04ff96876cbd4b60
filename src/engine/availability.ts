/**
 * Whether a provider can be there at all, from what is installed. The runtime would find out too, but says so on stderr
 * in its own words and several lines.
 */
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Provider } from './engine.js';

/** Where the Vulkan loader looks for drivers when no variable tells it (Vulkan-Loader, LoaderDriverInterface.md). */
const VULKAN_MANIFESTS = ['/usr/local/etc', '/usr/local/share', '/etc', '/usr/share'].map(
  (root) => `${root}/vulkan/icd.d`,
);
const VULKAN_VARIABLES = ['VK_DRIVER_FILES', 'VK_ADD_DRIVER_FILES', 'VK_ICD_FILENAMES'];

/** Why the provider cannot work here; undefined when it may. Only Linux is looked at. */
export function missingParts(provider: Provider): string | undefined {
  if (process.platform !== 'linux') return undefined;
  switch (provider) {
    case 'cuda':
      return existsSync(cudaLibrary()) ? undefined : 'its libraries are not installed: npm run install:cuda';
    case 'webgpu':
      return hasVulkanDriver() ? undefined : 'no Vulkan driver is installed';
    case 'cpu':
      return undefined;
  }
}

function cudaLibrary(): string {
  const root = path.dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'));
  return path.join(root, 'bin', 'napi-v6', 'linux', process.arch, 'libonnxruntime_providers_cuda.so');
}

function hasVulkanDriver(): boolean {
  if (VULKAN_VARIABLES.some((name) => process.env[name])) return true;
  return VULKAN_MANIFESTS.some((directory) => existsSync(directory) && readdirSync(directory).length > 0);
}
